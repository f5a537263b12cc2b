import { Counter, Histogram, type Registry } from "prom-client";

/** Exchanges of one kind since the start. */
export interface TallyRow {
  readonly door: string;
  /** Empty for what came through none. */
  readonly front: string;
  readonly kind: string;
  readonly cache: string;
  readonly status: string;
  exchanges: number;
  /** Bytes. */
  served: number;
  /** Sum of the times to the first byte, in seconds. */
  seconds: number;
  /** How many fell into each bucket, and beyond the last. */
  readonly times: number[];
}

/** From what a hit in memory takes to a slow upstream. */
const firstByteSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/**
 * What is counted of every exchange: in plain numbers, which become metrics when these are read. The metrics library would sort and
 * join an exchange's labels once for each of its numbers, which is a tenth of what a small hit costs.
 */
export class Tally {
  readonly #rows = new Map<string, TallyRow>();
  #last: TallyRow | undefined;

  /** The names are ours and few, so there is an end to the rows. */
  row(door: string, front: string, kind: string, cache: string, status: string): TallyRow {
    const last = this.#last;
    if (
      last?.door === door &&
      last.front === front &&
      last.kind === kind &&
      last.cache === cache &&
      last.status === status
    )
      return last;
    const key = `${door}|${front}|${kind}|${cache}|${status}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const times = Array.from({ length: firstByteSeconds.length + 1 }, () => 0);
      row = { door, front, kind, cache, status, exchanges: 0, served: 0, seconds: 0, times };
      this.#rows.set(key, row);
    }
    this.#last = row;
    return row;
  }

  /** Registers the metrics that the rows become. */
  declare(registry: Registry): void {
    const registers = [registry];
    const rows = (): Iterable<TallyRow> => this.#rows.values();
    const requests = new Counter({
      name: "entrepot_requests_total",
      help: "Exchanges with clients that have ended.",
      labelNames: ["door", "front", "kind", "cache", "status"],
      registers,
      collect: () => {
        requests.reset();
        for (const { door, front, kind, cache, status, exchanges } of rows()) {
          requests.inc({ door, front, kind, cache, status }, exchanges);
        }
      },
    });
    const served = new Counter({
      name: "entrepot_served_bytes_total",
      help: "Bytes of bodies sent to clients.",
      labelNames: ["cache"],
      registers,
      collect: () => {
        served.reset();
        for (const row of rows()) if (row.served > 0) served.inc({ cache: row.cache }, row.served);
      },
    });
    registry.registerMetric(new FirstByte(rows));
  }
}

/** Counts a time to the first byte, in seconds. */
export function addTime(row: TallyRow, seconds: number): void {
  let bucket = 0;
  while (bucket < firstByteSeconds.length && seconds > (firstByteSeconds[bucket] ?? 0)) bucket += 1;
  row.times[bucket] = (row.times[bucket] ?? 0) + 1;
  row.seconds += seconds;
}

type Sum = Pick<TallyRow, "kind" | "cache" | "times" | "seconds">;

const firstByteName = "entrepot_first_byte_seconds";
const firstByteHelp = "Time from a request's head to the first byte of its answer.";

class FirstByte extends Histogram {
  readonly #rows: () => Iterable<TallyRow>;

  constructor(rows: () => Iterable<TallyRow>) {
    super({
      name: firstByteName,
      help: firstByteHelp,
      labelNames: ["kind", "cache"],
      buckets: firstByteSeconds,
      registers: [],
    });
    this.#rows = rows;
  }

  /** Where the library takes a histogram's numbers from, for its text and for `get`. */
  getForPromString(): Promise<object> {
    const sums = new Map<string, Sum>();
    for (const { kind, cache, times, seconds } of this.#rows()) {
      const key = `${kind}|${cache}`;
      const sum = sums.get(key);
      sums.set(key, {
        kind,
        cache,
        times: times.map((count, bucket) => count + (sum?.times[bucket] ?? 0)),
        seconds: seconds + (sum?.seconds ?? 0),
      });
    }
    const values = [...sums.values()].flatMap(valuesOf);
    return Promise.resolve({ name: firstByteName, help: firstByteHelp, type: "histogram", values, aggregator: "sum" });
  }
}

/** The library wants it of each value of a histogram, to add it to the labels. */
const sharedLabels = {};

/** The text format's: buckets hold all that is not longer; then the sum and the count. */
function valuesOf(sum: Sum): object[] {
  const labels = { kind: sum.kind, cache: sum.cache };
  let count = 0;
  const buckets = [...firstByteSeconds, "+Inf"].map((le, bucket) => {
    count += sum.times[bucket] ?? 0;
    return { metricName: `${firstByteName}_bucket`, labels: { le, ...labels }, sharedLabels, value: count };
  });
  if (count === 0) return [];
  return [
    ...buckets,
    { metricName: `${firstByteName}_sum`, labels, sharedLabels, value: sum.seconds },
    { metricName: `${firstByteName}_count`, labels, sharedLabels, value: count },
  ];
}
