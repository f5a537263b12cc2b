import { readFile, rm, stat } from "node:fs/promises";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import type { Log } from "../observe/log.ts";
import { indexDirectory } from "./layout.ts";
import { type DiskRecords, parseIntegrity } from "./records.ts";
import { systemTimers, type Timers } from "./timers.ts";
import { Troubles } from "./trouble.ts";
import type { Store } from "./types.ts";
import { walkTree } from "./walk.ts";

export interface CollectorOptions {
  /** Root of the cache. */
  readonly directory: string;
  readonly records: DiskRecords;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Shared with what else uses the directory, so that one trouble is told once. */
  readonly troubles?: Troubles;
  readonly isFlying: (digest: Digest) => boolean;
  readonly timers?: Timers;
  /** Milliseconds between two sweeps; six hours unless given. */
  readonly sweepEvery?: number;
}

export interface Collector {
  /** Walks the whole index; resolves with the number of records dropped. Never rejects. */
  sweep(): Promise<number>;
  stop(): void;
}

/** A record is left alone for this long after its last write, in milliseconds: its content may be on its way. */
const grace = 3_600_000;

/** Collects the records whose content is gone, so that the index does not grow for ever. One file at a time, in the background. */
export function createCollector(options: CollectorOptions): Collector {
  const stop = new AbortController();
  const troubles = options.troubles ?? new Troubles(options.log, options.clock);
  let running: Promise<number> | undefined;
  const sweep = (): Promise<number> => {
    running ??= collect(options, stop.signal, troubles).finally(() => {
      running = undefined;
    });
    return running;
  };
  const cancel = (options.timers ?? systemTimers).every(options.sweepEvery ?? 6 * 3_600_000, () => void sweep());
  return {
    sweep,
    stop() {
      cancel();
      stop.abort();
    },
  };
}

async function collect(options: CollectorOptions, signal: AbortSignal, troubles: Troubles): Promise<number> {
  let dropped = 0;
  const failed = (error: unknown): void => troubles.report("walk its index", error);
  for await (const { path } of walkTree(indexDirectory(options.directory), signal, failed)) {
    try {
      const { mtimeMs } = await stat(path);
      if (options.clock.now() - mtimeMs < grace) continue;
      const entry = lastEntry(await readFile(path, "utf8"));
      if (entry === undefined) {
        // Nothing in it can be read, so nobody can ever find it.
        await rm(path);
      } else {
        if (options.isFlying(entry.digest) || (await options.store.stat(entry.digest)) !== undefined) continue;
        await options.records.deleteAbout(entry.key, entry.digest);
      }
      dropped += 1;
    } catch (error) {
      failed(error);
    }
  }
  if (dropped > 0)
    options.log.info({ event: "cache-collected", records: dropped }, "Dropped records whose content is gone.");
  return dropped;
}

/** Key and digest of the newest whole line of a file of the index (`<sha1>\t<json>`); a torn one at its end does not count. */
function lastEntry(text: string): { readonly key: string; readonly digest: Digest } | undefined {
  for (const line of text.split("\n").toReversed()) {
    const entry = parseLine(line);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function parseLine(line: string): { readonly key: string; readonly digest: Digest } | undefined {
  try {
    const value: unknown = JSON.parse(line.slice(line.indexOf("\t") + 1));
    if (typeof value !== "object" || value === null || !("key" in value) || !("integrity" in value)) return undefined;
    const digest = typeof value.integrity === "string" ? parseIntegrity(value.integrity) : undefined;
    return digest === undefined || typeof value.key !== "string" ? undefined : { key: value.key, digest };
  } catch {
    return undefined;
  }
}
