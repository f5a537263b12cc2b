import { type Collector, createCollector } from "../cache/collect.ts";
import { openDiskStore } from "../cache/disk.ts";
import { createEvictor, type Evictor } from "../cache/evict.ts";
import { createFlights, type FlightTable } from "../cache/flight.ts";
import { type DiskRecords, openRecords } from "../cache/records.ts";
import type { WatchedStore } from "../cache/types.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import type { Log } from "../observe/log.ts";

/** The cache with all that keeps it in order. */
export interface Cache {
  readonly directory: string;
  readonly store: WatchedStore;
  readonly records: DiskRecords;
  readonly flights: FlightTable;
  readonly evictor: Evictor;
  readonly collector: Collector;
  close(): void;
}

export async function openCache(config: Config, clock: Clock, log: Log): Promise<Cache> {
  const directory = config.cacheDir;
  const store = await openDiskStore({ directory, clock, log });
  const records = openRecords({ directory, clock, log });
  const flights = createFlights({ store, log });
  const isFlying = (digest: Digest): boolean => flights.current(digest) !== undefined;
  const limits = { maxSize: config.cacheMaxSize, inactive: config.cacheInactive };
  const evictor = createEvictor({ store, ...limits, clock, log, isFlying });
  const collector = createCollector({ directory, records, store, clock, log, isFlying });
  const close = (): void => {
    flights.stop();
    evictor.stop();
    collector.stop();
  };
  return { directory, store, records, flights, evictor, collector, close };
}
