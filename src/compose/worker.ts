import { openDiskStore } from "../cache/disk.ts";
import { FileThread } from "../cache/file-thread.ts";
import { Troubles } from "../cache/trouble.ts";
import { WorkerFlights } from "../workers/flights.ts";
import type { Link } from "../workers/link.ts";
import type { Welcome } from "../workers/protocol.ts";
import type { OpenInstance } from "./instance.ts";

/** Bytes of small content in the memory of all workers together. */
const hotBytes = 64 * 1024 * 1024;
/** Of each at least: about two thousand small layers, and a fraction of what a process takes anyway. */
const leastHotBytes = 32 * 1024 * 1024;

/** The instance as one of its workers has it: content on disk is read and written by each, the rest is the primary's. */
export function joinInstance(link: Link, welcome: Welcome): OpenInstance {
  return async (config, clock, log) => {
    const directory = config.cacheDir;
    const share = Math.max(leastHotBytes, Math.floor(hotBytes / welcome.workers));
    const troubles = new Troubles(log, clock, link.troubles);
    const store = await openDiskStore({
      directory,
      clock,
      log,
      hotBytes: share,
      tidy: false,
      troubles,
      files: new FileThread(),
      proofs: link.proofs,
    });
    store.watch(link.ledger);
    const flights = new WorkerFlights({
      store,
      directory,
      log,
      clock,
      room: link.room,
      abandon: config.cacheFillAbandon,
      port: link.board,
    });
    link.flights = flights;
    link.forget = (digest) => {
      store.forget(digest);
      flights.removed(digest);
    };
    return {
      cache: { directory, store, records: link.records, flights },
      share: link.share,
      coalesce: link.coalesce,
      leaders: link.leaders,
      shapes: link.shapes,
      keys: { credential: welcome.credentialKey, token: welcome.tokenKey },
      sources: {},
      overview: {
        text: () => link.metricsText(),
        async snapshot(own) {
          const { connections, tunnels, flights: active, bytes, entries, totals, recent } = await link.dashboard();
          const activity = { connections, tunnels, flights: active };
          return { ...own, cache: { ...own.cache, bytes, entries }, activity, totals, recent };
        },
      },
      // What it leads goes on in another worker: in that it ends like one that is killed.
      close: () => store.close(),
    };
  };
}
