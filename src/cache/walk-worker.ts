/** A thread that walks a cache's content for its process. Each message asks for the next part of it; after the last one it ends. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { contentAlgorithms, contentDirectory, digestOfPath } from "./layout.ts";
import { errnoOf } from "./trouble.ts";
import type { Stored } from "./types.ts";

export interface WalkedPart {
  readonly found: readonly Stored[];
  /** What could not be listed. */
  readonly failures: readonly { readonly code: string | undefined; readonly message: string }[];
  readonly last: boolean;
}

/** Entries of a part, about. */
const partSize = 250;

const failures: { code: string | undefined; message: string }[] = [];

function list(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "ENOENT" && code !== "ENOTDIR") failures.push({ code, message: String(error) });
    return [];
  }
}

function look(path: string): { readonly size: number; readonly mtimeMs: number } | undefined {
  try {
    const file = statSync(path, { throwIfNoEntry: false });
    return file?.isFile() === true ? file : undefined;
  } catch {
    return undefined;
  }
}

/** In the order of their digests, a directory at a time. */
function* walk(directory: string): Generator<Stored[], undefined> {
  for (const algorithm of contentAlgorithms) {
    const root = join(contentDirectory(directory), algorithm);
    for (const first of list(root)) {
      for (const second of list(join(root, first))) {
        const folder = join(root, first, second);
        yield list(folder).flatMap((name) => {
          const digest = digestOfPath(algorithm, first, second, name);
          const file = digest === undefined ? undefined : look(join(folder, name));
          return digest === undefined || file === undefined
            ? []
            : [{ digest, size: file.size, lastUsed: file.mtimeMs }];
        });
      }
    }
  }
}

const walked = walk(String(workerData));

parentPort?.on("message", () => {
  const found: Stored[] = [];
  let last = false;
  while (!last && found.length < partSize) {
    const next = walked.next();
    last = next.done === true;
    if (next.done !== true) found.push(...next.value);
  }
  const part: WalkedPart = { found, failures: failures.splice(0), last };
  parentPort?.postMessage(part);
  if (last) parentPort?.close();
});
