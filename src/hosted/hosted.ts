import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { spaceOf } from "../cache/process.ts";
import { systemTimers, type Timers } from "../cache/timers.ts";
import { errnoOf } from "../cache/trouble.ts";
import type { Clock } from "../core/clock.ts";
import { asEntrepotError, EntrepotError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import type { Log } from "../observe/log.ts";
import type { Handler } from "../serve/exchange.ts";
import { Blobs } from "./blobs.ts";
import { collect, type Collected, type CollectorParts, lastRun } from "./collector.ts";
import { createHostedHandler } from "./handler.ts";
import { Repositories } from "./repository.ts";
import { Uploads } from "./uploads.ts";

export interface HostedOptions {
  /** The storage; made where it is missing. Any number of processes may share it. */
  readonly storage: string;
  /** Where uploads in progress are, which may be another file system; inside the storage unless given. */
  readonly uploads?: string | undefined;
  /** Milliseconds without a byte after which an upload is forgotten. */
  readonly uploadTtl: number;
  /** Milliseconds between two collections; 0: none but by command. */
  readonly gcInterval: number;
  /** Milliseconds for which what no manifest refers to is kept. */
  readonly gcGrace: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly timers?: Timers;
}

/** A registry of our own: what was pushed to it, and nothing else. */
export interface Hosted {
  /** Answers `/v2/...`, `arrival.target`. Who may ask for it is decided before. */
  readonly handler: Handler;
  /** Removes what nothing refers to, while it serves. Rejects with STORAGE_BUSY while somebody else does. */
  gc(signal: AbortSignal): Promise<Collected>;
  /** Ends the schedule and what is being written. */
  close(): Promise<void>;
}

/** Milliseconds between two looks at whether it is time to collect, and for uploads that were idle for too long; at most. */
const longestTick = 10 * 60_000;

/** Rejects with CONFIG_INVALID where the storage cannot be used. */
export async function openHosted(options: HostedOptions): Promise<Hosted> {
  const { storage: root, uploads: temporary, uploadTtl, gcInterval, gcGrace, clock, log } = options;
  const uploadsDirectory = temporary ?? join(root, "uploads");
  await makeDirectory("REGISTRY_STORAGE", root);
  await makeDirectory(temporary === undefined ? "REGISTRY_STORAGE" : "TEMPORARY_REGISTRY_STORAGE", uploadsDirectory);
  const blobs = new Blobs(root, clock);
  const repositories = new Repositories({ root, clock });
  const uploads = new Uploads({ directory: uploadsDirectory, clock, ttl: uploadTtl, spaceOf });
  const collector: CollectorParts = { root, repositories, uploads, clock, grace: gcGrace };
  const stopped = new AbortController();
  const tick = Math.max(1, Math.min(uploadTtl, gcInterval === 0 ? uploadTtl : gcInterval, longestTick));
  const cancel = (options.timers ?? systemTimers).every(tick, () => void keepInOrder());
  let running: Promise<void> | undefined;

  /** On schedule. Never rejects. */
  async function keepInOrder(): Promise<void> {
    running ??= work().catch((error: unknown) => {
      if (!stopped.signal.aborted && asEntrepotError(error).code !== "STORAGE_BUSY")
        log.error({ err: error, event: "registry-gc" }, "the registry's storage could not be put in order");
    });
    await running;
    running = undefined;
  }

  async function work(): Promise<void> {
    // Another process that shares the storage may have done it.
    if (gcInterval > 0 && clock.now() - (await lastRun(root)) >= gcInterval) {
      const collected = await collect(collector, stopped.signal);
      log.info({ event: "registry-gc", ...collected }, gcSentence(collected));
    } else await uploads.sweep(stopped.signal);
  }

  return {
    handler: createHostedHandler({ blobs, repositories, uploads, log }),
    gc: (signal) => collect(collector, signal),
    async close() {
      cancel();
      stopped.abort();
      await Promise.all([uploads.close(), running]);
    },
  };
}

export function gcSentence({ blobs, bytes, kept, uploads }: Collected): string {
  return `${blobs} blobs (${formatSize(bytes)}) and ${uploads} idle uploads removed, ${kept} blobs kept.`;
}

async function makeDirectory(name: string, directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw new EntrepotError(
      "CONFIG_INVALID",
      `${name}: ${directory} cannot be made (${errnoOf(error) ?? "unknown error"}); it may be a directory that this user can write to.`,
    );
  }
}
