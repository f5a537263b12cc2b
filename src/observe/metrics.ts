import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { type OriginTotals, OriginTable } from "./origin-table.ts";
import { addTime, Tally } from "./tally.ts";
import type { Trace } from "./trace.ts";

/** What other rooms are asked for when the metrics are read. */
export interface MetricSources {
  readonly flights?: () => number;
  /** Bytes of the content that the cache holds. */
  readonly cacheBytes?: () => number;
  readonly cacheEntries?: () => number;
  readonly connections?: () => number;
  readonly tunnels?: () => number;
  /** What was read back from the cache's disk since the start: bytes, and blobs found to be no longer what their digests say. */
  readonly scrubber?: () => { readonly checkedBytes: number; readonly rotten: number };
  /** Origins that are not asked because they fail. */
  readonly breakers?: () => readonly { readonly origin: string; readonly state: string }[];
  /** What registries say is left of pulls; `payer` holds no credential. */
  readonly quotas?: () => readonly QuotaLeft[];
}

export interface QuotaLeft {
  readonly origin: string;
  readonly payer: string;
  readonly limit: number;
  readonly remaining: number;
}

export interface MetricsOptions extends MetricSources {
  readonly version: string;
  /** Origins that get a label of their own; all later ones are counted as "other". Default 100. */
  readonly origins?: number;
  /** CPU, memory, event loop and garbage collection of the process. Default true. */
  readonly process?: boolean;
}

/** Sums since the start. Sizes in bytes. */
export interface Totals {
  /** Without those for our own endpoints. */
  readonly exchanges: number;
  /** Answered from the cache: HIT, REVALIDATED, STALE and UPDATING. */
  readonly hits: number;
  /** Answered with what the upstream had to send: MISS and EXPIRED. */
  readonly misses: number;
  readonly servedBytes: number;
  readonly fetchedBytes: number;
  readonly tunnels: number;
  /** Most exchanges first. */
  readonly origins: readonly OriginTotals[];
}

export interface Metrics {
  readonly contentType: string;
  /** The Prometheus text format. */
  text(): Promise<string>;
  /** The same for a sum over several processes. */
  json(): Promise<MetricObjectWithValues<MetricValue<string>>[]>;
  /** Counts an exchange that has ended; a listener for `createRecorder`. */
  observe(trace: Trace): void;
  /** Counts a request to an upstream; no status where no answer came. */
  upstreamAnswered(origin: string, status: number | undefined): void;
  /** Counts bytes of bodies received from an upstream. */
  fetched(origin: string, bytes: number): void;
  /** A TLS handshake with a client that failed: it does not trust the CA, or anything else. */
  handshakeFailed(reason: "untrusted" | "other"): void;
  totals(): Totals;
}

const hitStatuses = new Set(["HIT", "REVALIDATED", "STALE", "UPDATING"]);
const missStatuses = new Set(["MISS", "EXPIRED"]);

/** The numbers of this process, in a registry of their own. No label ever takes more values than are foreseen here. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  if (options.process !== false) collectDefaultMetrics({ register: registry });
  declareGauges(registry, options);
  const tally = new Tally();
  tally.declare(registry);
  const meters = declareMeters(registry);
  const origins = new OriginTable(options.origins ?? 100);
  const totals = { exchanges: 0, hits: 0, misses: 0, servedBytes: 0, fetchedBytes: 0, tunnels: 0 };

  function observe(trace: Trace): void {
    const kind = trace.kind ?? (trace.door === "tunnel" ? "tunnel" : "none");
    const cache = trace.cache ?? "none";
    const served = trace.bytes ?? 0;
    const hit = hitStatuses.has(cache);
    const miss = missStatuses.has(cache);
    const row = tally.row(trace.door, trace.front ?? "", kind, cache, statusClass(trace.status));
    row.exchanges += 1;
    row.served += served;
    if (trace.received !== undefined && trace.received > 0) meters.received.inc(trace.received);
    if (trace.collapsed === true) meters.collapsed.inc();
    if (trace.error !== undefined) meters.errors.inc({ code: trace.error });
    if (trace.firstByte !== undefined && trace.door !== "tunnel") {
      addTime(row, trace.firstByte / 1000);
    }
    // The dashboard's own questions are no news on it.
    if (kind !== "own") totals.exchanges++;
    totals.servedBytes += served;
    if (trace.door === "tunnel") totals.tunnels++;
    if (hit) totals.hits++;
    if (miss) totals.misses++;
    // A tunnel's target is whatever a client named; it is no registry of ours.
    if (trace.origin !== undefined && trace.door !== "tunnel") origins.exchange(trace.origin, hit, miss, served);
  }

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    json: () => registry.getMetricsAsJSON(),
    observe,
    upstreamAnswered: (origin, status) => {
      meters.upstream.inc({ origin: origins.label(origin), status: statusClass(status) });
    },
    fetched: (origin, bytes) => {
      meters.fetched.inc({ origin: origins.label(origin) }, bytes);
      origins.fetched(origin, bytes);
      totals.fetchedBytes += bytes;
    },
    handshakeFailed: (reason) => meters.handshakes.inc({ reason }),
    totals: () => ({ ...totals, origins: origins.list() }),
  };
}

function declareMeters(registry: Registry) {
  const registers = [registry];
  const counter = <T extends string>(name: string, help: string, labelNames: T[]): Counter<T> =>
    new Counter({ name: `entrepot_${name}`, help, labelNames, registers });
  return {
    received: counter("received_bytes_total", "Bytes of bodies received from clients.", []),
    fetched: counter("fetched_bytes_total", "Bytes of bodies received from upstreams.", ["origin"]),
    collapsed: counter("collapsed_requests_total", "Requests that joined a transfer already under way.", []),
    errors: counter("errors_total", "Exchanges that ended with an error, by its code.", ["code"]),
    upstream: counter("upstream_requests_total", "Requests sent to upstreams.", ["origin", "status"]),
    handshakes: counter("tls_handshake_failures_total", "TLS handshakes with clients that failed.", ["reason"]),
  };
}

function declareGauges(registry: Registry, options: MetricsOptions): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: (() => number) | undefined): void => {
    if (read === undefined) return;
    const made: Gauge = new Gauge({ name: `entrepot_${name}`, help, registers, collect: () => made.set(read()) });
  };
  gauge("flights_in_progress", "Transfers from upstreams into the cache under way.", options.flights);
  gauge("cache_bytes", "Bytes of content in the cache.", options.cacheBytes);
  gauge("cache_entries", "Blobs and manifests in the cache.", options.cacheEntries);
  gauge("connections", "Connections of clients that are open.", options.connections);
  gauge("tunnels_open", "Blind tunnels that are open.", options.tunnels);
  const { scrubber } = options;
  if (scrubber !== undefined) declareScrubber(registry, scrubber);
  declareOrigins(registry, options);
  const labelNames = ["version", "node"];
  const info = new Gauge({ name: "entrepot_build_info", help: "1.", labelNames, aggregator: "max", registers });
  info.set({ version: options.version, node: process.version }, 1);
}

function declareScrubber(registry: Registry, scrubber: NonNullable<MetricSources["scrubber"]>): void {
  const counter = (name: string, help: string, read: () => number): void => {
    const made: Counter = new Counter({
      name: `entrepot_scrubber_${name}_total`,
      help,
      registers: [registry],
      collect: () => {
        made.reset();
        made.inc(read());
      },
    });
  };
  counter("checked_bytes", "Bytes of the cache read back from disk and proven.", () => scrubber().checkedBytes);
  counter("rotten", "Blobs found to be no longer what their digests say, and dropped.", () => scrubber().rotten);
}

/** Gauges of single origins: of those alone that there is something to say of. */
function declareOrigins(registry: Registry, { breakers, quotas }: MetricsOptions): void {
  const registers = [registry];
  const breaker: Gauge<"origin" | "state"> = new Gauge({
    name: "entrepot_breaker_open",
    help: "1 for a registry that is not asked at the moment because it fails; state is open or half-open.",
    // Every process of an instance says the same.
    aggregator: "max",
    labelNames: ["origin", "state"],
    registers,
    collect: () => {
      breaker.reset();
      for (const { origin, state } of breakers?.() ?? []) breaker.set({ origin, state }, 1);
    },
  });
  const figures = { quota_limit: "limit", quota_remaining: "remaining" } as const;
  for (const [name, field] of Object.entries(figures)) {
    const quota: Gauge<"origin" | "payer"> = new Gauge({
      name: `entrepot_${name}`,
      help: `Pulls, as the registry told last: ${field}. payer is anonymous, or a part of the credential's hash.`,
      aggregator: "max",
      labelNames: ["origin", "payer"],
      registers,
      collect: () => {
        quota.reset();
        for (const { origin, payer, ...left } of quotas?.() ?? []) quota.set({ origin, payer }, left[field]);
      },
    });
  }
}
const classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

function statusClass(status: number | undefined): string {
  return status === undefined || status < 100 || status > 599 ? "none" : (classes[Math.floor(status / 100)] ?? "none");
}
