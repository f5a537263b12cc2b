import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../core/digest.ts";
import { contentAlgorithms, contentDirectory, digestOfPath } from "./layout.ts";
import { errnoOf } from "./trouble.ts";
import type { Stored } from "./types.ts";

/**
 * All content of a cache directory, one file system call at a time: with hundreds of thousands of files it takes its time, and leaves
 * the thread pool to those who are being served. In the order of their digests, those behind `after` where one is given. What is no
 * content is passed over.
 */
export async function* walkContent(
  directory: string,
  signal: AbortSignal,
  failed: (error: unknown) => void,
  after?: Digest,
): AsyncGenerator<Stored> {
  const root = contentDirectory(directory);
  for (const algorithm of contentAlgorithms) {
    for await (const path of walkTree(join(root, algorithm), signal, failed)) {
      const digest = digestOfPath(algorithm, path.first, path.second, path.name);
      if (digest === undefined || (after !== undefined && digest <= after)) continue;
      const file = await stat(path.path).catch(() => undefined);
      if (file?.isFile() === true) yield { digest, size: file.size, lastUsed: file.mtimeMs };
    }
  }
}

export interface TreeFile {
  readonly path: string;
  readonly first: string;
  readonly second: string;
  readonly name: string;
}

/** The files of a tree of two levels of directories, as cacache makes for content and for its index. */
export async function* walkTree(
  root: string,
  signal: AbortSignal,
  failed: (error: unknown) => void,
): AsyncGenerator<TreeFile> {
  const list = async (folder: string): Promise<string[]> => {
    if (signal.aborted) return [];
    try {
      return (await readdir(folder)).toSorted();
    } catch (error) {
      const code = errnoOf(error);
      if (code !== "ENOENT" && code !== "ENOTDIR") failed(error);
      return [];
    }
  };
  for (const first of await list(root)) {
    for (const second of await list(join(root, first))) {
      for (const name of await list(join(root, first, second))) {
        if (signal.aborted) return;
        yield { path: join(root, first, second, name), first, second, name };
      }
    }
  }
}
