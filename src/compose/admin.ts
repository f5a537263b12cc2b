import { createSnapshot } from "../admin/dashboard-data.ts";
import { createAdmin, type Readiness } from "../admin/routes.ts";
import type { Authority } from "../ca/authority.ts";
import { frontLines } from "../config/front-lines.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { createNamedUrl } from "../front/public-url.ts";
import type { Listener } from "../listen/listener.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { Recent } from "../observe/recent.ts";
import type { Policy } from "../policy/policy.ts";
import type { Handler } from "../serve/exchange.ts";
import type { Instance } from "./instance.ts";

export interface AdminNeeds {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly authority: Authority;
  readonly policy: Policy;
  readonly instance: Instance;
  readonly metrics: Metrics;
  readonly recent: Recent;
  /** Made after this, as it is handed this. */
  readonly listener: () => Pick<Listener, "connections" | "tunnels">;
}

export function createAdminHandler(needs: AdminNeeds): Handler {
  const { config, version, clock, authority, policy, instance, metrics, recent, listener } = needs;
  const { cache, overview, sources } = instance;
  const snapshot = createSnapshot({
    version,
    clock,
    cache: () => ({
      bytes: sources.cacheBytes?.() ?? 0,
      maximum: config.cacheMaxSize,
      entries: sources.cacheEntries?.() ?? 0,
    }),
    activity: () => ({
      connections: listener().connections(),
      tunnels: listener().tunnels(),
      flights: cache.flights.active,
    }),
    totals: metrics.totals,
    fronts: frontLines(config),
    recent: recent.list,
  });
  return createAdmin({
    rootPem: authority.rootPem,
    isOwnName: policy.isOwnName,
    namedUrl: createNamedUrl(policy.trustsProxy),
    ready: () => readiness(authority, clock),
    metrics: { contentType: metrics.contentType, text: () => (overview ?? metrics).text() },
    snapshot: () => (overview === undefined ? snapshot() : overview.snapshot(snapshot())),
  });
}

/** A CA that has ended serves nobody; a disk that fails does not stop pulls, so it is no reason to take the proxy out of service. */
function readiness(authority: Authority, clock: Clock): Readiness {
  const problems =
    authority.notAfter > clock.now() ? [] : ["The CA's certificate has expired; replace it and restart."];
  return { ok: problems.length === 0, problems };
}
