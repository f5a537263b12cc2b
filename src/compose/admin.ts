import { createSnapshot } from "../admin/dashboard-data.ts";
import { createAdmin, type Readiness } from "../admin/routes.ts";
import type { Authority } from "../ca/authority.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Listener } from "../listen/listener.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Recent } from "../observe/recent.ts";
import type { Policy } from "../policy/policy.ts";
import type { Handler } from "../serve/exchange.ts";
import type { Cache } from "./cache.ts";

export interface AdminNeeds {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly authority: Authority;
  readonly policy: Policy;
  readonly cache: Cache;
  readonly metrics: Metrics;
  readonly recent: Recent;
  /** Made after this, as it is handed this. */
  readonly listener: () => Pick<Listener, "connections" | "tunnels">;
}

export function createAdminHandler(needs: AdminNeeds): Handler {
  const { config, version, clock, authority, policy, cache, metrics, recent, listener } = needs;
  const { evictor, flights } = cache;
  return createAdmin({
    rootPem: authority.rootPem,
    isOwnName: policy.isOwnName,
    ready: () => readiness(authority, clock),
    metrics,
    snapshot: createSnapshot({
      version,
      clock,
      cache: () => ({ bytes: evictor.bytes(), maximum: config.cacheMaxSize, entries: evictor.count() }),
      activity: () => ({
        connections: listener().connections(),
        tunnels: listener().tunnels(),
        flights: flights.active,
      }),
      totals: metrics.totals,
      recent: recent.list,
    }),
  });
}

/** A CA that has ended serves nobody; a disk that fails does not stop pulls, so it is no reason to take the proxy out of service. */
function readiness(authority: Authority, clock: Clock): Readiness {
  const problems =
    authority.notAfter > clock.now() ? [] : ["The CA's certificate has expired; replace it and restart."];
  return { ok: problems.length === 0, problems };
}
