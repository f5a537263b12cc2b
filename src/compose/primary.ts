import { existsSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { type Authority, openAuthority } from "../ca/authority.ts";
import { contentPath } from "../cache/layout.ts";
import { tidySpools } from "../cache/tidy.ts";
import { systemTimers } from "../cache/timers.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import type { Log } from "../observe/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import { Reservation } from "../listen/reservation.ts";
import { Primary } from "../workers/primary.ts";
import { keepCache } from "./cache.ts";
import { makeKeys, shapesIn } from "./instance.ts";
import { ownAuthority } from "./options.ts";

/** Binds what a configuration says is to be listened on, for so many workers. Rejects with CONFIG_INVALID that names the option. */
export async function openDoors(
  config: Config,
  workers: number,
  log: Log,
  earlier?: Reservation,
): Promise<Reservation> {
  const addresses = { hosts: config.host, ports: config.port, tlsPorts: config.tlsPort };
  return await Reservation.open(addresses, workers, log, earlier);
}

/** The process that keeps what must be one for an instance, and serves no client. */
export interface PrimaryService {
  readonly authority: Authority;
  readonly primary: Primary;
  /** Takes over what may change while it runs: the limits of the cache. */
  configure(config: Config): void;
  close(): void;
}

export interface PrimaryNeeds {
  readonly log: Log;
  readonly version: string;
  readonly clock: Clock;
  /** Workers that there are to be. */
  readonly workers: () => number;
}

/** Milliseconds between two looks for files of processes that are gone. */
const tidyEvery = 600_000;

/** Rejects with CONFIG_INVALID or CA_INVALID where the configuration cannot be run. */
export async function openPrimary(config: Config, needs: PrimaryNeeds): Promise<PrimaryService> {
  const { log, version, clock, workers } = needs;
  const authority = await openAuthority({ directory: config.caDir, ...ownAuthority(config), clock });
  for (const warning of authority.warnings) log.warn(warning);
  // Made after what it is handed, which asks it before.
  const serving: { primary?: Primary } = {};
  const isFlying = (digest: Digest): boolean => serving.primary?.board.has(digest) === true;
  const cache = await keepCache(config, clock, log, isFlying, async () => await serving.primary?.gatherUses());
  const { evictor, records, store } = cache;
  const metrics = createMetrics({
    version,
    cacheBytes: () => evictor.bytes(),
    cacheEntries: () => evictor.count(),
    scrubber: () => cache.scrubber.figures(),
  });
  const keys = await makeKeys(config);
  const primary = new Primary(
    {
      records,
      store,
      evictor,
      troubles: cache.troubles,
      shapes: shapesIn(cache.directory, log),
      clock,
      credentialKey: keys.credential,
      tokenKey: keys.token,
      isHeld: (digest) => existsSync(contentPath(cache.directory, digest)),
      discard: (path) => void unlink(path).catch(() => undefined),
      figures: async () => ({
        metrics: await metrics.json(),
        connections: 0,
        tunnels: 0,
        flights: 0,
        totals: metrics.totals(),
        recent: [],
      }),
    },
    workers,
  );
  serving.primary = primary;
  // Workers of an earlier instance may have outlived it for a moment, and killed ones leave uploads.
  const tidy = (): void => void tidySpools(cache.directory, (path) => primary.board.hasSpool(path));
  const cancelTidying = systemTimers.every(tidyEvery, tidy);
  return {
    authority,
    primary,
    configure: (changed) => evictor.limit({ maxSize: changed.cacheMaxSize, inactive: changed.cacheInactive }),
    close: () => {
      cancelTidying();
      cache.close();
    },
  };
}
