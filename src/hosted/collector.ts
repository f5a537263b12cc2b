import { readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lockDirectory } from "../cache/lock.ts";
import type { Clock } from "../core/clock.ts";
import { parseDigest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { bringBack, isOlder, namesIn, removeUnwanted } from "./durable.ts";
import { DigestFilter } from "./digest-filter.ts";
import { blobsDirectory, collectorDirectory, draftsDirectory } from "./layout.ts";
import { readManifest } from "./manifest.ts";
import type { Repositories, Repository } from "./repository.ts";
import type { Uploads } from "./uploads.ts";

export interface CollectorParts {
  readonly root: string;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  readonly clock: Clock;
  /** Milliseconds for which what no manifest refers to is kept after it was last pushed, mounted or asked for by a push. */
  readonly grace: number;
}

export interface Collected {
  readonly blobs: number;
  /** Of those blobs. */
  readonly bytes: number;
  /** Blobs that stay. */
  readonly kept: number;
  readonly uploads: number;
}

/** A draft lives for as long as a file takes to be written; one of this age, in milliseconds, is a dead process's. */
const deadDraft = 24 * 3_600_000;

/**
 * Removes what nothing refers to, while others serve and push. It needs no lock against them: what a push refers to is younger than any of
 * this began (see durable.ts), and what a manifest refers to was seen, as a push asks for it once more when its manifest can be.
 * One collector at a time works on a storage; rejects with STORAGE_BUSY where another one does.
 */
export async function collect(parts: CollectorParts, signal: AbortSignal): Promise<Collected> {
  const { root, repositories, clock, grace, uploads } = parts;
  const lock = await lockDirectory({ directory: collectorDirectory(root), inUse });
  try {
    const before = clock.now() - grace;
    const wanted = new DigestFilter();
    for await (const repository of repositories.all()) {
      signal.throwIfAborted();
      await collectRepository(repository, wanted, before);
    }
    const swept = await sweepBlobs(root, wanted, before, signal);
    await sweepDrafts(draftsDirectory(root), clock.now() - deadDraft);
    const result = { ...swept, uploads: await uploads.sweep(signal) };
    await noteRun(root, clock.now());
    return result;
  } finally {
    lock.release();
  }
}

/** When a collector last came to its end, in milliseconds; 0: never. */
export async function lastRun(root: string): Promise<number> {
  return (await stat(join(collectorDirectory(root), "last")).catch(() => undefined))?.mtimeMs ?? 0;
}

async function noteRun(root: string, now: number): Promise<void> {
  const path = join(collectorDirectory(root), "last");
  await writeFile(path, "");
  await utimes(path, now / 1000, now / 1000);
}

async function collectRepository(repository: Repository, wanted: DigestFilter, before: number): Promise<void> {
  const referenced = new Set<string>();
  for (const digest of await repository.manifests()) {
    // One that has rotted ends this: nobody knows what it referred to.
    const manifest = await repository.manifest(digest);
    if (manifest === undefined) continue;
    for (const blob of readManifest(manifest.bytes, manifest.mediaType).blobs) {
      referenced.add(blob);
      wanted.add(blob);
    }
  }
  for (const blob of await repository.blobs()) {
    const link = repository.blobLink(blob);
    if (!referenced.has(blob) && (await removeUnwanted(link, (path) => isOlder(path, before)))) continue;
    await bringBack(link);
    wanted.add(blob);
  }
  await repository.dropDanglingTags();
  await repository.dropStaleReferrers();
  await repository.leave(before);
}

async function sweepBlobs(
  root: string,
  wanted: DigestFilter,
  before: number,
  signal: AbortSignal,
): Promise<Pick<Collected, "blobs" | "bytes" | "kept">> {
  const swept = { blobs: 0, bytes: 0, kept: 0 };
  const folder = blobsDirectory(root);
  for (const algorithm of await namesIn(folder)) {
    for (const first of await namesIn(join(folder, algorithm))) {
      for (const hex of await namesIn(join(folder, algorithm, first))) {
        signal.throwIfAborted();
        const digest = parseDigest(`${algorithm}:${hex}`);
        if (digest === undefined) continue;
        const path = join(folder, algorithm, first, hex);
        const size = (await stat(path).catch(() => undefined))?.size ?? 0;
        const gone = !wanted.mayHave(digest) && (await removeUnwanted(path, (aside) => isOlder(aside, before)));
        if (gone) {
          swept.blobs += 1;
          swept.bytes += size;
        } else {
          await bringBack(path);
          swept.kept += 1;
        }
      }
    }
  }
  return swept;
}

async function sweepDrafts(folder: string, before: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    if (await isOlder(path, before).catch(() => false)) await rm(path, { force: true });
  }
}

function inUse(pid: number): EntrepotError {
  return new EntrepotError("STORAGE_BUSY", `Another collector, process ${pid}, works on this storage; it will do.`);
}
