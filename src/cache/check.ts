import { read } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { algorithmOf, type Digest, digestOfHash, hashFor } from "../core/digest.ts";
import { contentPath } from "./layout.ts";
import { closeFile, openFile, statFile } from "./spool.ts";
import { errnoOf } from "./trouble.ts";

/** gone: evicted or replaced meanwhile. rotten: other bytes than the digest says, or a disk that does not give them back. */
export type Condition = "whole" | "rotten" | "gone";

const readFile = promisify(read);

/**
 * Hashes the content of a digest as it lies on disk, in pieces of `buffer`. `advance` is told the number of bytes of each, and waited for.
 * Rejects where the file cannot be looked at for a reason that is not its own (rights, too many open files), and when aborted.
 */
export async function conditionOf(
  directory: string,
  digest: Digest,
  buffer: Buffer,
  signal: AbortSignal,
  advance?: (bytes: number) => Promise<void> | undefined,
): Promise<Condition> {
  const path = contentPath(directory, digest);
  let descriptor: number | undefined;
  try {
    descriptor = await openFile(path, "r");
    if ((await digestOfOpen(descriptor, digest, buffer, signal, advance)) === digest) return "whole";
    return (await isStill(path, descriptor)) ? "rotten" : "gone";
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EIO") return "rotten";
    if (code === "ENOENT" || code === "ENOTDIR") return "gone";
    throw error;
  } finally {
    if (descriptor !== undefined) await closeFile(descriptor).catch(() => undefined);
  }
}

/** What an opened file hashes to, by the algorithm of `digest`. Rejects with the disk's error, and when aborted. */
export async function digestOfOpen(
  descriptor: number,
  digest: Digest,
  buffer: Buffer,
  signal: AbortSignal,
  advance?: (bytes: number) => Promise<void> | undefined,
): Promise<Digest> {
  const hash = hashFor(digest);
  for (let position = 0; ;) {
    signal.throwIfAborted();
    const { bytesRead } = await readFile(descriptor, buffer, 0, buffer.length, position);
    if (bytesRead === 0) return digestOfHash(algorithmOf(digest), hash);
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
    await advance?.(bytesRead);
  }
}

/** Whether the file that was read is the one that is served. */
async function isStill(path: string, descriptor: number): Promise<boolean> {
  const [open, named] = await Promise.all([statFile(descriptor), stat(path).catch(() => undefined)]);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}
