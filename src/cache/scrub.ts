import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { type Digest, parseDigest } from "../core/digest.ts";
import type { Log } from "../observe/log.ts";
import { conditionOf } from "./check.ts";
import { Troubles } from "./trouble.ts";
import type { WatchedStore } from "./types.ts";
import { walkContent } from "./walk.ts";

export interface ScrubberOptions {
  /** Root of the cache. */
  readonly directory: string;
  readonly store: Pick<WatchedStore, "condemn">;
  readonly clock: Clock;
  readonly log: Log;
  readonly troubles?: Troubles;
  /** Bytes of content held, as far as known. */
  readonly bytes: () => number;
  /** Milliseconds in which all content is read once; a week unless given. */
  readonly period?: number;
  /** Bytes a second at most; 4 MiB unless given. */
  readonly fastest?: number;
  /** Waits; rejects when aborted. */
  readonly pause?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>;
}

export interface ScrubFigures {
  /** Bytes read back since the start. */
  readonly checkedBytes: number;
  /** Blobs found rotten since the start, and dropped. */
  readonly rotten: number;
}

export interface Scrubber {
  figures(): ScrubFigures;
  /** Resolves when it has let go of all files. */
  stop(): Promise<void>;
}

/** Where it was, in the root of the cache. */
export const scrubName = "scrub.json";

const week = 7 * 86_400_000;
/** Bytes a second at least, so that a small cache is done in a moment. */
const slowest = 64 * 1024;
/** What a file costs besides its bytes, in bytes. */
const perFile = 16 * 1024;
const pieceSize = 256 * 1024;
/** Milliseconds: before it begins, between two passes at least, between two notes of where it is, of a pause at least. */
const settle = 60_000;
const rest = 3_600_000;
const noteEvery = 60_000;
const breath = 100;

/**
 * Reads all content back, slowly, for ever, and drops what is no longer what its digest says: what rots on disk is found here, not when it
 * is served. Goes on after a restart where it was.
 */
export function createScrubber(options: ScrubberOptions): Scrubber {
  return new BackgroundScrubber(options);
}

class BackgroundScrubber implements Scrubber {
  readonly #options: ScrubberOptions;
  readonly #troubles: Troubles;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  readonly #buffer = Buffer.allocUnsafeSlow(pieceSize);
  #checkedBytes = 0;
  #rotten = 0;
  #after: Digest | undefined;
  #since = 0;
  #noted = 0;
  /** Bytes read and not yet waited for. */
  #owed = 0;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#troubles = options.troubles ?? new Troubles(options.log, options.clock);
    this.#ended = this.#run().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#troubles.report("read its blobs back, and stops doing so", error);
    });
  }

  figures(): ScrubFigures {
    return { checkedBytes: this.#checkedBytes, rotten: this.#rotten };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { clock, period = week } = this.#options;
    await this.#recall();
    await this.#pause(settle);
    for (;;) {
      if (this.#after === undefined && clock.now() - this.#since < period) {
        await this.#pause(Math.min(this.#since + period - clock.now(), rest));
        continue;
      }
      this.#since = this.#after === undefined ? clock.now() : this.#since;
      await this.#pass();
      this.#after = undefined;
      await this.#note();
      await this.#pause(rest);
    }
  }

  async #pass(): Promise<void> {
    const { directory, clock } = this.#options;
    const { signal } = this.#stop;
    const failed = (error: unknown): void => this.#troubles.report("list its blobs", error);
    for await (const { digest, size } of walkContent(directory, signal, failed, this.#after)) {
      await this.#check(digest, size);
      this.#after = digest;
      await this.#owe(perFile);
      if (clock.now() - this.#noted >= noteEvery) await this.#note();
    }
    signal.throwIfAborted();
  }

  async #check(digest: Digest, size: number): Promise<void> {
    const { directory, store, log } = this.#options;
    try {
      const condition = await conditionOf(directory, digest, this.#buffer, this.#stop.signal, (bytes) => {
        this.#checkedBytes += bytes;
        return this.#owe(bytes);
      });
      if (condition !== "rotten") return;
      this.#rotten += 1;
      log.error(
        { event: "cache-rotten", digest, bytes: size },
        "A blob on disk is no longer what its digest says. It is dropped, and fetched again when it is asked for. Look at the disk.",
      );
      await store.condemn(digest);
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      this.#troubles.report("read a blob back", error);
    }
  }

  /** Waits as long as so many bytes may take. */
  #owe(bytes: number): Promise<void> | undefined {
    const { period = week, fastest = 4 * 1024 * 1024 } = this.#options;
    this.#owed += bytes;
    const rate = Math.min(fastest, Math.max(slowest, this.#options.bytes() / (period / 1000)));
    const wait = (this.#owed / rate) * 1000;
    if (wait < breath) return undefined;
    this.#owed = 0;
    return this.#pause(wait);
  }

  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#stop;
    if (this.#options.pause === undefined) await delay(milliseconds, undefined, { signal, ref: false });
    else await this.#options.pause(milliseconds, signal);
    signal.throwIfAborted();
  }

  async #recall(): Promise<void> {
    try {
      const text = await readFile(join(this.#options.directory, scrubName), "utf8");
      const { after, since } = noteShape.parse(JSON.parse(text));
      this.#after = after === undefined ? undefined : parseDigest(after);
      // A clock that was set back must not keep it waiting for years.
      this.#since = Math.min(since, this.#options.clock.now());
    } catch {
      // None, or none of ours: from the beginning.
    }
  }

  async #note(): Promise<void> {
    this.#noted = this.#options.clock.now();
    const path = join(this.#options.directory, scrubName);
    try {
      await writeFile(`${path}.new`, JSON.stringify({ after: this.#after, since: this.#since }));
      await rename(`${path}.new`, path);
    } catch {
      // What it costs is a pass from the beginning.
    }
  }
}

const noteShape = z.object({ after: z.string().optional(), since: z.number() });
