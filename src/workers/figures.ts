import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from "prom-client";
import type { Totals } from "../observe/metrics.ts";
import type { OriginTotals } from "../observe/origin-table.ts";
import type { RecentExchange } from "../observe/recent.ts";

/** The numbers of one process, as the library gives them. */
export type MetricsJson = MetricObjectWithValues<MetricValue<string>>[];

/** What one process has to say for the metrics and the dashboard. */
export interface WorkerFigures {
  readonly metrics: MetricsJson;
  readonly connections: number;
  readonly tunnels: number;
  readonly flights: number;
  readonly totals: Totals;
  readonly recent: readonly RecentExchange[];
}

export type DashboardFigures = Omit<WorkerFigures, "metrics"> & { readonly bytes: number; readonly entries: number };

/** The Prometheus text of several processes as one. */
export async function sumMetrics(all: readonly MetricsJson[]): Promise<string> {
  return await AggregatorRegistry.aggregate([...all]).metrics();
}

/** Exchanges shown at most. */
const shown = 100;

export function sumFigures(all: readonly WorkerFigures[]): Omit<WorkerFigures, "metrics"> {
  const sum = (read: (one: WorkerFigures) => number): number => all.reduce((total, one) => total + read(one), 0);
  const recent = all
    .flatMap((one) => one.recent)
    .toSorted((one, other) => other.at - one.at || other.number - one.number)
    .slice(0, shown);
  const exchanges = sum(({ totals }) => totals.exchanges);
  return {
    connections: sum((one) => one.connections),
    tunnels: sum((one) => one.tunnels),
    flights: sum((one) => one.flights),
    totals: {
      exchanges,
      hits: sum(({ totals }) => totals.hits),
      misses: sum(({ totals }) => totals.misses),
      servedBytes: sum(({ totals }) => totals.servedBytes),
      fetchedBytes: sum(({ totals }) => totals.fetchedBytes),
      tunnels: sum(({ totals }) => totals.tunnels),
      origins: sumOrigins(all.flatMap(({ totals }) => totals.origins)),
    },
    // Each worker counts its own; a number tells one line from another, and the newest has the highest.
    recent: recent.map((exchange, index) => ({ ...exchange, number: exchanges - index })),
  };
}

function sumOrigins(rows: readonly OriginTotals[]): OriginTotals[] {
  const sums = new Map<string, OriginTotals>();
  for (const row of rows) {
    const sum = sums.get(row.name);
    sums.set(
      row.name,
      sum === undefined
        ? row
        : {
            name: row.name,
            exchanges: sum.exchanges + row.exchanges,
            hits: sum.hits + row.hits,
            misses: sum.misses + row.misses,
            servedBytes: sum.servedBytes + row.servedBytes,
            fetchedBytes: sum.fetchedBytes + row.fetchedBytes,
          },
    );
  }
  return [...sums.values()].toSorted((one, other) => other.exchanges - one.exchanges);
}
