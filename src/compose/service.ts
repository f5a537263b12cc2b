import { createCredentials } from "../auth/credentials.ts";
import { type Authority, openAuthority } from "../ca/authority.ts";
import { createLeafContexts } from "../ca/leaf.ts";
import type { Config } from "../config/schema.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { createListener } from "../listen/listener.ts";
import type { Inherited, Listening } from "../listen/types.ts";
import type { Log } from "../observe/log.ts";
import { createMetrics, type Metrics } from "../observe/metrics.ts";
import { createRecent } from "../observe/recent.ts";
import { createRecorder } from "../observe/record.ts";
import type { Trace } from "../observe/trace.ts";
import { compilePolicy } from "../policy/policy.ts";
import type { WorkerFigures } from "../workers/figures.ts";
import { createAccess, createIdentities } from "./access.ts";
import { isAdminPath } from "../admin/routes.ts";
import { createAdminHandler } from "./admin.ts";
import { lentCredentials } from "./front-domain.ts";
import { createFronts } from "./fronts.ts";
import { createGuard } from "./guard.ts";
import { createHandlers } from "./handlers.ts";
import { openRegistry } from "./hosted.ts";
import { createInspectors } from "./inspectors.ts";
import { type OpenInstance, openOwnInstance } from "./instance.ts";
import { listenerOptions, ownAuthority, policyOptions } from "./options.ts";
import { openUpstream } from "./upstream.ts";

/** The running program. */
export interface Service {
  readonly authority: Authority;
  /** What this process has to say for the metrics and the dashboard. */
  figures(): Promise<WorkerFigures>;
  /** Opens the ports, or listens on what it inherited; rejects with CONFIG_INVALID where it cannot. */
  start(inherited?: Inherited): Promise<Listening[]>;
  /** Takes the connections of these queues of what it inherited, too. */
  adopt(queues: readonly number[]): Promise<void>;
  /**
   * "drain": ends what runs, for `limit` milliseconds at most; "now": at once; "retire": drains, but answers first what connections that are open
   * ask for. A second call may shorten the first.
   */
  stop(how: "drain" | "now" | "retire", limit: number): Promise<void>;
}

export interface ComposeParts {
  readonly log: Log;
  readonly version: string;
  readonly clock?: Clock;
  /** An instance of this process alone unless given. */
  readonly open?: OpenInstance;
}

const sharedAccess =
  "CACHE_ACCESS is shared: every client is served what is cached, private images included, whoever's credential brought them.";

/** Builds the object graph. Rejects with CONFIG_INVALID or CA_INVALID where the configuration cannot be run. */
export async function compose(config: Config, parts: ComposeParts): Promise<Service> {
  const { log, version, clock = systemClock, open = openOwnInstance } = parts;
  if (config.cacheAccess === "shared") log.warn({ event: "access-shared" }, sharedAccess);
  const policy = compilePolicy(policyOptions(config));
  const authority = await openAuthority({ directory: config.caDir, ...ownAuthority(config), clock });
  for (const warning of authority.warnings) log.warn(warning);
  const leaves = createLeafContexts({ authority, clock });
  const instance = await open(config, clock, log);
  const { cache, share } = instance;
  const hosted = await openRegistry(config, clock, log);
  const recent = createRecent(clock);
  const metrics = createMetrics({
    version,
    ...instance.sources,
    flights: () => cache.flights.active,
    connections: () => listener.connections(),
    tunnels: () => listener.tunnels(),
    breakers: () => guard.breaker.list(),
    quotas: () => guard.quotas.list(),
  });
  const inspectors = createInspectors(config, clock);
  const credentials = createCredentials(config.authRegistries, await lentCredentials(config));
  const identities = createIdentities(instance, clock);
  const guard = createGuard({ clock, log, share, ...identities });
  const seen = inspectors.seenUpstream;
  const upstream = await openUpstream(config, { credentials, guard, policy, clock, log, share, metrics, seen });
  const needs = { identities, credentials, policy, instance, upstream, clock, log };
  const { fetch, access, offline, standing } = createAccess(config, needs);
  const record = createRecorder(log, [metrics.observe, recent.add, handshakeCounter(metrics)]);
  const handlers = createHandlers(config, { ...needs, fetch, access, offline, record, inspectors });
  const admin = createAdminHandler({
    config,
    version,
    clock,
    authority,
    policy,
    instance,
    metrics,
    recent,
    listener: () => listener,
  });
  const frontNeeds = {
    policy,
    registry: handlers.behindFronts,
    fetch,
    standing,
    credentials,
    isPlain: upstream.isPlain,
    injectOnPush: config.injectOnPush,
    keyFor: identities.keyFor,
    isOwnPath: isAdminPath,
    hosted: hosted?.handler,
    clock,
    log,
  };
  const fronts = createFronts(config, frontNeeds, admin);
  const listener = createListener(listenerOptions(config, clock), {
    ...policy,
    contextFor: leaves.contextFor,
    hotContextFor: leaves.hotContextFor,
    connect: upstream.connect,
    registry: handlers.registry,
    ...(handlers.hot !== undefined && { hot: handlers.hot }),
    forward: handlers.forward,
    own: handlers.own(fronts),
    record,
    log,
  });
  return {
    authority,
    figures: async () => ({
      metrics: await metrics.json(),
      connections: listener.connections(),
      tunnels: listener.tunnels(),
      flights: cache.flights.active,
      totals: metrics.totals(),
      recent: recent.list(),
    }),
    async start(inherited) {
      await inspectors.start();
      return listener.start(inherited);
    },
    adopt: listener.adopt,
    async stop(how, limit) {
      await listener.stop(how, limit);
      await inspectors.stop();
      await hosted?.close();
      instance.close();
      upstream.close();
    },
  };
}

/** Counts the handshakes with clients that failed, by what the listener called them. */
function handshakeCounter(metrics: Metrics): (trace: Trace) => void {
  return ({ error }) => {
    if (error === "CLIENT_DISTRUSTS_CA") metrics.handshakeFailed("untrusted");
    if (error === "CLIENT_TLS") metrics.handshakeFailed("other");
  };
}
