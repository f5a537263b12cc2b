import { EntrepotError } from "../core/errors.ts";
import type { RegistryRequest } from "../core/request.ts";
import { type Tier, type TierRules, tierOfTag } from "./tiers.ts";

/** A request for content that is cached. */
export type PullRequest = Extract<RegistryRequest, { kind: "manifest" | "blob" }>;

/** What is to become of a request to an intercepted registry. */
export type Decision =
  | { readonly action: "pull"; readonly request: PullRequest; readonly tier: Tier }
  | { readonly action: "pass"; readonly redirects: "follow" | "pass" }
  | { readonly action: "push" }
  | { readonly action: "refuse"; readonly error: EntrepotError };

export interface DecisionRules {
  readonly allowPush: boolean;
  readonly tiers: TierRules;
}

const forever = Number.POSITIVE_INFINITY;

/** Decides by method and parsed path alone. Pure. */
export function decide(rules: DecisionRules, method: string, request: RegistryRequest): Decision {
  if (request.kind === "invalid") {
    return refuse(new EntrepotError(request.code, request.problem));
  }
  if (request.kind === "v1") {
    return refuse(
      new EntrepotError(
        "UNSUPPORTED",
        "Version 1 of the registry API is not served; use a client that speaks version 2.",
      ),
    );
  }
  // Before a push a client asks by HEAD what its own repository has already: only the registry knows that.
  if (method === "HEAD" && request.kind === "blob" && rules.allowPush) return { action: "pass", redirects: "follow" };
  if (method === "GET" || method === "HEAD") return decideRead(rules, request);
  if (method === "OPTIONS" || isTokenRequest(method, request)) return { action: "pass", redirects: "pass" };
  if (!["POST", "PUT", "PATCH", "DELETE"].includes(method)) {
    return refuse(new EntrepotError("METHOD_NOT_ALLOWED", `A registry has no method ${method}.`));
  }
  if (rules.allowPush) return { action: "push" };
  return refuse(
    new EntrepotError(
      "UNSUPPORTED",
      "This proxy does not pass on pushes and deletions; set ALLOW_PUSH=true on it to allow them.",
    ),
  );
}

function decideRead(rules: DecisionRules, request: RegistryRequest): Decision {
  switch (request.kind) {
    case "blob":
      return { action: "pull", request, tier: { type: "blob-by-digest", ttl: forever } };
    case "manifest":
      return {
        action: "pull",
        request,
        tier:
          request.tag === undefined
            ? { type: "manifest-by-digest", ttl: forever }
            : tierOfTag(rules.tiers, request.tag),
      };
    case "tags":
    case "referrers":
    case "catalog":
      return { action: "pass", redirects: "follow" };
    case "ping":
    case "upload":
    case "token":
    case "extension":
    case "v1":
    case "invalid":
    case "other":
      return { action: "pass", redirects: "pass" };
  }
}

/** Clients log in and fetch tokens by POST, at paths that each registry chooses: outside of /v2/ it is no push. */
function isTokenRequest(method: string, request: RegistryRequest): boolean {
  return method === "POST" && (request.kind === "token" || request.kind === "other");
}

function refuse(error: EntrepotError): Decision {
  return { action: "refuse", error };
}
