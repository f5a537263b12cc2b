import type { FrontLine } from "../config/front-lines.ts";
import type { Clock } from "../core/clock.ts";
import type { Totals } from "../observe/metrics.ts";
import type { RecentExchange } from "../observe/recent.ts";

/** What the dashboard reads every few seconds. Sizes in bytes, times in milliseconds. */
export interface DashboardData {
  readonly version: string;
  readonly now: number;
  readonly uptime: number;
  readonly cache: CacheFill;
  readonly activity: Activity;
  readonly totals: Totals;
  readonly fronts: readonly FrontLine[];
  /** Newest first; no queries, no credentials. */
  readonly recent: readonly RecentExchange[];
}

export interface CacheFill {
  readonly bytes: number;
  readonly maximum: number;
  readonly entries: number;
}

export interface Activity {
  readonly connections: number;
  readonly tunnels: number;
  readonly flights: number;
}

export interface SnapshotParts {
  readonly version: string;
  readonly clock: Clock;
  readonly cache: () => CacheFill;
  readonly activity: () => Activity;
  readonly totals: () => Totals;
  readonly fronts: readonly FrontLine[];
  readonly recent: () => readonly RecentExchange[];
}

/** A function that gathers the data; the uptime counts from this call. */
export function createSnapshot(parts: SnapshotParts): () => DashboardData {
  const started = parts.clock.now();
  return () => {
    const now = parts.clock.now();
    return {
      version: parts.version,
      now,
      uptime: now - started,
      cache: parts.cache(),
      activity: parts.activity(),
      totals: parts.totals(),
      fronts: parts.fronts,
      recent: parts.recent(),
    };
  };
}
