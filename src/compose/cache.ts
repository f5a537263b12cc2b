import { type Collector, createCollector } from "../cache/collect.ts";
import { openDiskStore } from "../cache/disk.ts";
import { createEvictor, type Evictor } from "../cache/evict.ts";
import { FileThread } from "../cache/file-thread.ts";
import { createFlights, type FlightTable } from "../cache/flight.ts";
import { freeSpace } from "../cache/free-space.ts";
import { lockDirectory } from "../cache/lock.ts";
import { type DiskRecords, openRecords } from "../cache/records.ts";
import { createScrubber, type Scrubber } from "../cache/scrub.ts";
import { systemTimers } from "../cache/timers.ts";
import { Troubles } from "../cache/trouble.ts";
import type { HotStore, Room } from "../cache/types.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import type { Log } from "../observe/log.ts";

/** A cache directory with all that keeps it in order: in one process of an instance. */
export interface KeptCache {
  readonly directory: string;
  readonly store: HotStore;
  readonly records: DiskRecords;
  readonly room: Room;
  readonly evictor: Evictor;
  readonly collector: Collector;
  readonly scrubber: Scrubber;
  readonly troubles: Troubles;
  close(): void;
}

/** Likewise, and what fills it. */
export interface Cache extends KeptCache {
  readonly flights: FlightTable;
}

/** Rejects with CONFIG_INVALID where another process uses the directory. */
export async function openCache(config: Config, clock: Clock, log: Log): Promise<Cache> {
  const kept = await keepCache(config, clock, log, (digest) => flights.current(digest) !== undefined);
  const { store, room } = kept;
  const flights = createFlights({ store, log, clock, room, abandon: config.cacheFillAbandon });
  const close = (): void => {
    flights.stop();
    kept.close();
  };
  return { ...kept, flights, close };
}

/**
 * Rejects with CONFIG_INVALID where another process uses the directory. `isFlying`: whether a digest is being fetched; `gather`: brings in what other
 * processes know of uses.
 */
export async function keepCache(
  config: Config,
  clock: Clock,
  log: Log,
  isFlying: (digest: Digest) => boolean,
  gather?: () => Promise<void>,
): Promise<KeptCache> {
  const directory = config.cacheDir;
  const lock = await lockDirectory({ directory });
  const troubles = new Troubles(log, clock);
  const files = new FileThread();
  const store = await openDiskStore({ directory, clock, log, troubles, files });
  const records = openRecords({ directory, clock, log, troubles, files });
  const room: Room = { free: (bytes) => evictor.free(bytes), keep: () => void evictor.keepFree() };
  const limits = { maxSize: config.cacheMaxSize, inactive: config.cacheInactive };
  const disk = { minFree: config.cacheMinFree, free: () => freeSpace(directory) };
  const evictor = createEvictor({
    store,
    ...limits,
    disk,
    clock,
    log,
    troubles,
    isFlying,
    ...(gather && { gather }),
  });
  const collector = createCollector({ directory, records, store, clock, log, troubles, isFlying });
  const scrubber = createScrubber({ directory, store, clock, log, troubles, bytes: () => evictor.bytes() });
  const cancelRenewal = systemTimers.every(60_000, () => void lock.renew());
  const close = (): void => {
    cancelRenewal();
    evictor.stop();
    collector.stop();
    void scrubber.stop();
    store.close();
    lock.release();
  };
  return { directory, store, records, room, evictor, collector, scrubber, troubles, close };
}
