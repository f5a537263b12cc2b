import { createHash } from "node:crypto";
import { join } from "node:path";
import { algorithmOf, type Digest, hexOf, parseDigest } from "../core/digest.ts";

/**
 * Where things lie in a cache directory. It is cacache's format (content version 2, index version 5), which its package does not
 * export as functions; the tests hold these against what cacache itself reads and writes.
 */

/** Those that content is kept under, in the order of the directories' names. */
export const contentAlgorithms = ["sha256", "sha512"] as const;

export function contentDirectory(directory: string): string {
  return join(directory, "content-v2");
}

export function contentPath(directory: string, digest: Digest): string {
  return join(contentDirectory(directory), algorithmOf(digest), ...segments(hexOf(digest)));
}

export function indexDirectory(directory: string): string {
  return join(directory, "index-v5");
}

/** The file that holds the entries of a key. */
export function indexPath(directory: string, key: string): string {
  return join(indexDirectory(directory), ...segments(createHash("sha256").update(key).digest("hex")));
}

/** Files on their way to their place; cacache's own are here too. */
export function spoolDirectory(directory: string): string {
  return join(directory, "tmp");
}

/** The digest whose content has these path segments, or undefined for a file that is none of ours. */
export function digestOfPath(algorithm: string, first: string, second: string, rest: string): Digest | undefined {
  return first.length === 2 && second.length === 2 ? parseDigest(`${algorithm}:${first}${second}${rest}`) : undefined;
}

function segments(hex: string): string[] {
  return [hex.slice(0, 2), hex.slice(2, 4), hex.slice(4)];
}
