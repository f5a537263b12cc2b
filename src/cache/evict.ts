import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import type { Log } from "../observe/log.ts";
import { Ledger } from "./ledger.ts";
import { systemTimers, type Timers } from "./timers.ts";
import { Troubles } from "./trouble.ts";
import type { WatchedStore } from "./types.ts";

export interface EvictorLimits {
  /** Bytes of content held at most (CACHE_MAX_SIZE). */
  readonly maxSize: number;
  /** Milliseconds after which unused content goes (CACHE_INACTIVE). */
  readonly inactive: number;
}

export interface EvictorOptions extends EvictorLimits {
  readonly store: WatchedStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Shared with what else uses the directory, so that one trouble is told once. */
  readonly troubles?: Troubles;
  /** Whether a fill of the digest is in progress: it is about to be adopted, so it is never evicted. */
  readonly isFlying: (digest: Digest) => boolean;
  readonly timers?: Timers;
  /** What has to stay free on the file system; without it, nothing has to. */
  readonly disk?: DiskSpace;
  /** Brings in what is known elsewhere of uses, before anything is evicted. Never rejects. */
  readonly gather?: () => Promise<void>;
  /** Milliseconds between two looks for what is inactive; ten minutes unless given. */
  readonly sweepEvery?: number;
}

export interface DiskSpace {
  /** Bytes (CACHE_MIN_FREE). */
  readonly minFree: number;
  /** Bytes that are free; rejects where the file system does not say. */
  readonly free: () => Promise<number>;
}

export interface Evictor {
  /** Resolves when all that an earlier run left is in the ledger, and never rejects. Serving need not wait for it. */
  readonly loaded: Promise<void>;
  /** Bytes of content known of. */
  bytes(): number;
  count(): number;
  /** Whether it knows of this content. */
  knows(digest: Digest): boolean;
  /** Content that another process used, or adopted; and that it removed. */
  used(digest: Digest, size: number, at: number): void;
  removed(digest: Digest): void;
  /** Evicts what is inactive, and what is too much; resolves when done. Never rejects. */
  sweep(): Promise<void>;
  /** Evicts at least so many bytes, where there are as many; resolves with what it freed. Never rejects. */
  free(bytes: number): Promise<number>;
  /** Evicts while less than the minimum is free on the file system, one round a second at most. Never rejects. */
  keepFree(): Promise<void>;
  /** Other limits from now on; what is over them goes. */
  limit(limits: EvictorLimits): void;
  /** Ends its timers and its walk. */
  stop(): void;
}

/** Over the limit, it is emptied to this part of it, so that not every blob from then on costs a round. */
const lowWater = 0.95;

/** Milliseconds that what was evicted for the file system has to come free in: somebody may still be reading it. */
const settle = 1000;

/** Keeps the store within its size. Begins at once to load its ledger from the store, in the background. */
export function createEvictor(options: EvictorOptions): Evictor {
  return new LedgerEvictor(options);
}

class LedgerEvictor implements Evictor {
  readonly loaded: Promise<void>;
  readonly #options: EvictorOptions;
  #limits: EvictorLimits;
  readonly #ledger = new Ledger();
  readonly #stop = new AbortController();
  readonly #cancel: () => void;
  #isLoaded = false;
  #isDue = false;
  #round: Promise<number> | undefined;
  /** When it last evicted for the file system's sake. */
  #relieved = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  readonly #troubles: Troubles;

  constructor(options: EvictorOptions) {
    this.#options = options;
    this.#limits = options;
    this.#troubles = options.troubles ?? new Troubles(options.log, options.clock);
    options.store.watch({
      used: (digest, size, at) => {
        this.#ledger.used(digest, size, at);
        this.#consider();
      },
      removed: (digest) => this.removed(digest),
    });
    const timers = options.timers ?? systemTimers;
    this.#cancel = timers.every(options.sweepEvery ?? 600_000, () => void this.sweep());
    this.loaded = this.#load();
  }

  bytes(): number {
    return this.#ledger.bytes;
  }

  count(): number {
    return this.#ledger.count;
  }

  knows(digest: Digest): boolean {
    return this.#ledger.get(digest) !== undefined;
  }

  limit(limits: EvictorLimits): void {
    this.#limits = limits;
    void this.sweep();
  }

  stop(): void {
    this.#cancel();
    this.#stop.abort();
  }

  async #load(): Promise<void> {
    try {
      await this.#ledger.load(this.#options.store.list(this.#stop.signal));
    } catch (error) {
      this.#options.log.warn(
        { event: "cache-trouble", err: error },
        "The cache could not list its blobs: what an earlier run left counts only once it is used.",
      );
    }
    if (this.#stop.signal.aborted) return;
    this.#isLoaded = true;
    await this.sweep();
  }

  removed(digest: Digest): void {
    this.#ledger.removed(digest);
  }

  used(digest: Digest, size: number, at: number): void {
    this.#ledger.usedElsewhere(digest, size, at);
    this.#consider();
  }

  #consider(): void {
    if (!this.#isLoaded || this.#isDue || this.#ledger.bytes <= this.#limits.maxSize) return;
    // In a later turn of the loop: the flight that adopts this has left its table then.
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      void this.#shrink();
    });
  }

  async sweep(): Promise<void> {
    if (!this.#isLoaded) return;
    await this.#options.gather?.();
    const limit = this.#options.clock.now() - this.#limits.inactive;
    for (const [digest, entry] of this.#ledger.oldest()) {
      if (entry.lastUsed >= limit || this.#stop.signal.aborted) break;
      await this.#evict(digest);
    }
    await this.#shrink();
    await this.keepFree();
  }

  async keepFree(): Promise<void> {
    const { disk, clock } = this.#options;
    if (disk === undefined || disk.minFree === 0 || !this.#isLoaded || this.#isLooking) return;
    if (Math.abs(clock.now() - this.#relieved) < settle) return;
    this.#isLooking = true;
    try {
      const lacking = disk.minFree - (await disk.free());
      if (lacking <= 0) return;
      this.#relieved = clock.now();
      const freed = await this.free(lacking);
      if (freed < lacking)
        this.#troubles.report("keep CACHE_MIN_FREE free on its disk: nothing is left to evict", undefined);
    } catch (error) {
      this.#troubles.report("ask for the free space of its disk", error);
    } finally {
      this.#isLooking = false;
    }
  }

  async #shrink(): Promise<void> {
    const { maxSize } = this.#limits;
    while (this.#round !== undefined) await this.#round;
    if (this.#ledger.bytes <= maxSize) return;
    const newest = this.#ledger.newest();
    // One that is larger than the whole cache would drive out everything else, and then itself.
    if (newest !== undefined && newest[1].size > maxSize) await this.#evict(newest[0]);
    await this.free(this.#ledger.bytes <= maxSize ? 0 : this.#ledger.bytes - maxSize * lowWater);
  }

  async free(bytes: number): Promise<number> {
    // One round at a time: two would each evict what one of them needs.
    while (this.#round !== undefined) await this.#round;
    this.#round = this.#free(bytes);
    try {
      return await this.#round;
    } finally {
      this.#round = undefined;
    }
  }

  async #free(bytes: number): Promise<number> {
    let freed = 0;
    let count = 0;
    if (bytes > 0) await this.#options.gather?.();
    for (const [digest, { size }] of this.#ledger.oldest()) {
      if (freed >= bytes || this.#stop.signal.aborted) break;
      if (!(await this.#evict(digest))) continue;
      freed += size;
      count += 1;
    }
    if (count > 0)
      this.#options.log.info(
        { event: "cache-evicted", blobs: count, bytes: freed },
        "Evicted the least recently used blobs.",
      );
    return freed;
  }

  /** False where it is spared, or where the disk does not let it go: the store has told so, and the next round tries again. */
  async #evict(digest: Digest): Promise<boolean> {
    if (this.#options.isFlying(digest)) return false;
    try {
      await this.#options.store.remove(digest);
      this.#ledger.removed(digest);
      return true;
    } catch {
      return false;
    }
  }
}
