import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { deriveKey } from "../auth/own-token.ts";
import type { Flights, HotRecords, HotStore } from "../cache/types.ts";
import type { DashboardData } from "../admin/dashboard-data.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";
import type { Log } from "../observe/log.ts";
import type { MetricSources } from "../observe/metrics.ts";
import { type Leaders, OwnLeaders } from "../serve/leaders.ts";
import { openShapes, type Shapes } from "../serve/shapes.ts";
import { openCache } from "./cache.ts";
import { type Coalesce, createCoalesce } from "./coalesce.ts";

/** The part of the cache that exchanges are served from. */
export interface ServedCache {
  readonly directory: string;
  readonly store: HotStore;
  readonly records: HotRecords;
  readonly flights: Flights & { readonly active: number };
}

/** Secrets of an instance, common to its processes. */
export interface Keys {
  /** Of the hashes that stand for credentials. */
  readonly credential: Buffer;
  /** Of tokens of our own. */
  readonly token: Buffer;
}

/** What must be one for an instance, whichever of its processes has it. */
export interface Instance {
  readonly cache: ServedCache;
  readonly share: Share;
  readonly coalesce: Coalesce;
  readonly leaders: Leaders;
  readonly shapes: Shapes;
  readonly keys: Keys;
  /** What this process reports of the whole. */
  readonly sources: Pick<MetricSources, "cacheBytes" | "cacheEntries" | "scrubber">;
  /** Undefined where this process is the whole. */
  readonly overview: Overview | undefined;
  close(): void;
}

/** What the metrics and the dashboard show of all processes. */
export interface Overview {
  text(): Promise<string>;
  snapshot(own: DashboardData): Promise<DashboardData>;
}

export type OpenInstance = (config: Config, clock: Clock, log: Log) => Promise<Instance>;

/** An instance of one process. Rejects with CONFIG_INVALID where another one uses the directory. */
export const openOwnInstance: OpenInstance = async (config, clock, log) => {
  const cache = await openCache(config, clock, log);
  return {
    cache,
    share: ownMaps,
    coalesce: createCoalesce(),
    leaders: new OwnLeaders(),
    shapes: shapesIn(cache.directory, log),
    keys: await makeKeys(config),
    sources: {
      cacheBytes: () => cache.evictor.bytes(),
      cacheEntries: () => cache.evictor.count(),
      scrubber: () => cache.scrubber.figures(),
    },
    overview: undefined,
    close: cache.close,
  };
};

export function shapesIn(directory: string, log: Log): Shapes {
  return openShapes(join(directory, "shapes.json"), (error) => {
    log.warn(
      { err: error, event: "shapes" },
      "How registries answered could not be kept for an outage after a restart.",
    );
  });
}

export async function makeKeys(config: Config): Promise<Keys> {
  const keyFile = config.caKeyFile ?? join(config.caDir, "ca.key");
  // The CA was opened from that file; where it cannot be read once more, tokens of our own end with this instance.
  const token = await readFile(keyFile).then(
    (key) => deriveKey(key, "tokens of our own"),
    () => randomBytes(32),
  );
  return { credential: randomBytes(32), token };
}
