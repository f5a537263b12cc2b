import { type Digest, parseDigest } from "../core/digest.ts";
import { fieldsOf, listOf, manifestFields } from "./references.ts";

/** Something that a client will ask for once it has a manifest. */
export interface Next {
  readonly kind: "manifest" | "blob";
  readonly digest: Digest;
}

/** No image has more layers; who sends more wants something else. */
const most = 500;

/**
 * What a client of these platforms will ask for, in its order: of an index the manifests for them, of a manifest the config and the layers (OCI image
 * 1.1 §"Image Index", §"Image Manifest"). A layer that is not for distribution is fetched from elsewhere.
 */
export function nextContent(manifest: Buffer, platforms: "all" | readonly string[]): Next[] {
  const { config, layers, manifests } = manifestFields(manifest);
  const wanted = listOf(manifests).filter((entry) => isWanted(fieldsOf(entry)["platform"], platforms));
  const blobs = [config, ...listOf(layers)].filter((entry) => {
    const { mediaType, urls } = fieldsOf(entry);
    return listOf(urls).length === 0 && !/foreign|nondistributable/.test(String(mediaType));
  });
  return [...next("manifest", wanted), ...next("blob", blobs)].slice(0, most);
}

function isWanted(platform: unknown, platforms: "all" | readonly string[]): boolean {
  if (platforms === "all") return true;
  const { os, architecture, variant } = fieldsOf(platform);
  const plain = `${String(os)}/${String(architecture)}`;
  return platforms.some((one) => one === plain || one === `${plain}/${String(variant)}`);
}

function next(kind: Next["kind"], entries: readonly unknown[]): Next[] {
  return entries.flatMap((entry) => {
    const { digest: text } = fieldsOf(entry);
    const digest = typeof text === "string" ? parseDigest(text) : undefined;
    return digest === undefined ? [] : [{ kind, digest }];
  });
}
