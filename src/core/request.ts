import { type Digest, parseDigest } from "./digest.ts";

/**
 * What a request asks a registry for. A path is parsed once, here, and is not looked at again:
 * OCI distribution 1.1, "Endpoints", and what Docker's registries have besides.
 */
export type RegistryRequest =
  | { readonly kind: "ping" }
  | { readonly kind: "manifest"; readonly repository: string; readonly tag: string; readonly digest?: never }
  | { readonly kind: "manifest"; readonly repository: string; readonly digest: Digest; readonly tag?: never }
  | { readonly kind: "blob"; readonly repository: string; readonly digest: Digest }
  | { readonly kind: "tags"; readonly repository: string }
  | { readonly kind: "referrers"; readonly repository: string; readonly digest: Digest }
  | { readonly kind: "catalog" }
  | { readonly kind: "upload"; readonly repository: string; readonly session: string | undefined }
  | { readonly kind: "token" }
  | { readonly kind: "v1" }
  | {
      readonly kind: "invalid";
      readonly code: "NAME_INVALID" | "DIGEST_INVALID" | "MANIFEST_INVALID";
      readonly problem: string;
    }
  /** Below `/v2/`, but no endpoint that we know. */
  | { readonly kind: "extension" }
  | { readonly kind: "other" };

export type RegistryRequestKind = RegistryRequest["kind"];

/** OCI distribution 1.1, "Pulling manifests": `<name>`, of which clients accept 255 characters at most. */
const nameGrammar = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagGrammar = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const longestName = 255;

export function isRepositoryName(text: string): boolean {
  return text.length <= longestName && nameGrammar.test(text);
}

export function isTag(text: string): boolean {
  return tagGrammar.test(text);
}

/** Parses the target of a request: a path with an optional query, as it stood on the request line. */
export function parseRegistryRequest(target: string): RegistryRequest {
  const query = target.indexOf("?");
  const raw = query === -1 ? target : target.slice(0, query);
  const path = raw.includes("%") ? decodeOnce(raw) : raw;
  if (path === undefined || /[\u0000-\u001f\u007f\\]/.test(path)) {
    return invalidName("The path holds characters or an encoding that no repository name has.");
  }
  if (path === "/v2/" || path === "/v2") return { kind: "ping" };
  if (tokenPaths.has(path)) return { kind: "token" };
  if (path.startsWith("/v2/")) return parseVersion2(path.slice(4));
  if (path === "/v1" || path.startsWith("/v1/")) return { kind: "v1" };
  return { kind: "other" };
}

/** Percent-encoding is normalised once; what is still encoded after that stays as it is and fits no grammar. */
function decodeOnce(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Where Docker Hub and GHCR, distribution's own, GitLab, Harbor, ACR, Google's registries and Quay have their token services. */
const tokenPaths = new Set([
  "/token",
  "/auth/token",
  "/jwt/auth",
  "/service/token",
  "/oauth2/token",
  "/v2/token",
  "/v2/auth",
]);

/**
 * Read from its end: `<name>/<keyword>/<reference>`. The last keyword counts, since a repository may itself be called "blobs" or
 * "manifests". By position and not by pattern, as every request comes through here.
 */
function parseVersion2(rest: string): RegistryRequest {
  if (rest === "_catalog") return { kind: "catalog" };
  if ((rest.includes("/.") || rest.startsWith(".")) && /(?:^|\/)\.{1,2}(?:\/|$)/.test(rest)) {
    return invalidName("A repository name has no dot segments.");
  }
  const last = rest.lastIndexOf("/");
  const middle = rest.lastIndexOf("/", last - 1);
  if (last < 1 || middle < 1) return { kind: "extension" };
  const [name, keyword, reference] = [rest.slice(0, middle), rest.slice(middle + 1, last), rest.slice(last + 1)];
  if (keyword === "uploads" && name.endsWith("/blobs")) return parseUpload(name.slice(0, -"/blobs".length), reference);
  if (keyword === "blobs" && reference === "uploads") return parseUpload(name, "");
  if (keyword === "tags" && reference === "list") return named(name, (repository) => ({ kind: "tags", repository }));
  if (reference === "" || (keyword !== "manifests" && keyword !== "blobs" && keyword !== "referrers")) {
    return { kind: "extension" };
  }
  return named(name, (repository) => parseThing(repository, keyword, reference));
}

function parseUpload(name: string, session: string): RegistryRequest {
  return named(name, (repository) => ({ kind: "upload", repository, session: session === "" ? undefined : session }));
}

function parseThing(
  repository: string,
  keyword: "manifests" | "blobs" | "referrers",
  reference: string,
): RegistryRequest {
  if (keyword === "manifests" && !reference.includes(":")) {
    return isTag(reference)
      ? { kind: "manifest", repository, tag: reference }
      : {
          kind: "invalid",
          code: "MANIFEST_INVALID",
          problem: "A tag has at most 128 letters, digits, '_', '.' and '-'.",
        };
  }
  const digest = parseDigest(reference);
  if (digest === undefined) {
    return {
      kind: "invalid",
      code: "DIGEST_INVALID",
      problem: "A digest is 'sha256:' and 64, or 'sha512:' and 128, lower-case hexadecimal digits.",
    };
  }
  if (keyword === "manifests") return { kind: "manifest", repository, digest };
  return keyword === "blobs" ? { kind: "blob", repository, digest } : { kind: "referrers", repository, digest };
}

function named(name: string, make: (repository: string) => RegistryRequest): RegistryRequest {
  if (isRepositoryName(name)) return make(name);
  return invalidName(
    `A repository name is lower-case letters, digits and separators, at most ${longestName} characters in all.`,
  );
}

function invalidName(problem: string): RegistryRequest {
  return { kind: "invalid", code: "NAME_INVALID", problem };
}
