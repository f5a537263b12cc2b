import { createHash } from "node:crypto";
import { join } from "node:path";
import { algorithmOf, type Digest, hexOf, parseDigest } from "../core/digest.ts";

/**
 * Where things lie in a registry's storage. No path holds a text of a client's: names, tags and sessions stand there by their SHA-256, content by
 * its checked digest.
 *
 * ```
 * blobs/<algorithm>/<2 of hex>/<hex>            content, once for all repositories
 * repositories/<2 of hash>/<hash of its name>/
 *   name                                        the name, once a manifest was accepted
 *   blobs/<algorithm>-<hex>                     empty: this content may be read here
 *   manifests/<algorithm>-<hex>                 a line of JSON with the media type, then the manifest's exact bytes
 *   tags/<hash of the tag>                      JSON: the tag and its digest
 *   referrers/<algorithm>-<hex>/<algorithm>-<hex>   of that subject, this manifest's descriptor
 * drafts/                                       files on their way to their place
 * uploads/<hash of repository and session>/     one file: what was received so far (TEMPORARY_REGISTRY_STORAGE)
 * gc/                                           the collector's lock, and when it ran last
 * ```
 */
export function blobsDirectory(root: string): string {
  return join(root, "blobs");
}

export function blobPath(root: string, digest: Digest): string {
  const hex = hexOf(digest);
  return join(blobsDirectory(root), algorithmOf(digest), hex.slice(0, 2), hex);
}

export function repositoriesDirectory(root: string): string {
  return join(root, "repositories");
}

export function repositoryDirectory(root: string, name: string): string {
  const hash = hashOf(name);
  return join(repositoriesDirectory(root), hash.slice(0, 2), hash);
}

export function draftsDirectory(root: string): string {
  return join(root, "drafts");
}

export function collectorDirectory(root: string): string {
  return join(root, "gc");
}

/** The name of a file that is about content of this digest. */
export function fileNameOf(digest: Digest): string {
  return digest.replace(":", "-");
}

/** What such a name is about; undefined where it is none. */
export function digestOfFileName(name: string): Digest | undefined {
  return parseDigest(name.replace("-", ":"));
}

/** For the name of a file or directory. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
