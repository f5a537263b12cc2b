import type { CaseName } from "./cases.ts";
import { GiB, KiB, MiB } from "./plan.ts";
import type { Sample } from "./round.ts";

/** One line of the report. */
export interface Figure {
  readonly case: CaseName;
  readonly name: string;
  readonly unit: string;
  /** Undefined where the contender has no such figure. `direct` is the sample of the bare transfer in the same round. */
  value(sample: Sample, direct: Sample | undefined): number | undefined;
  /** What Entrepot / nginx should be. */
  readonly target?: Bound;
  /** What Entrepot's own figure should be. */
  readonly own?: Bound;
}

/** At most and at least are for the median, exactly is for every round. */
export type Bound = { readonly atMost: number } | { readonly atLeast: number } | { readonly exactly: number };

const cpuPerGiB = (sample: Sample): number | undefined => per(sample.cpuSeconds, sample.bytes / GiB);
const peak = (sample: Sample): number | undefined => per(sample.peakRss, MiB);
const rate = (sample: Sample): number => sample.bytes / MiB / sample.seconds;
const cpuPerRequest = (scale: number) => (sample: Sample) => per(sample.cpuSeconds, sample.requests / scale);
const timeToDirect = (sample: Sample, direct: Sample | undefined): number | undefined =>
  per(sample.seconds, direct?.seconds);
const loadBusy = (sample: Sample): number => (sample.loadCpuSeconds / sample.seconds) * 100;
/** How many times over the upstream sent the blob, of which each request had one. */
const transfers = (sample: Sample): number | undefined => per(sample.upstreamBytes, sample.bytes / sample.requests);

export const figures: readonly Figure[] = [
  { case: "warm-blob", name: "CPU", unit: "CPU-s/GiB", value: cpuPerGiB, target: { atMost: 0.8 } },
  { case: "warm-blob", name: "throughput", unit: "MiB/s", value: rate },
  { case: "warm-blob", name: "the load's own CPU is busy", unit: "%", value: loadBusy },
  { case: "warm-blob", name: "time of one pull, p50", unit: "ms", value: (sample) => sample.p50 },
  { case: "warm-blob", name: "peak RSS", unit: "MiB", value: peak },
  { case: "manifest-hit", name: "CPU", unit: "CPU-µs/hit", value: cpuPerRequest(1e6), target: { atMost: 1.3 } },
  { case: "manifest-hit", name: "latency, p50", unit: "µs", value: (sample) => sample.p50 * 1000 },
  { case: "manifest-hit", name: "latency, p99", unit: "µs", value: (sample) => sample.p99 * 1000 },
  { case: "manifest-hit", name: "peak RSS", unit: "MiB", value: peak },
  {
    case: "fresh-connection",
    name: "CPU",
    unit: "CPU-ms/connection",
    value: cpuPerRequest(1e3),
    target: { atMost: 1.3 },
  },
  { case: "fresh-connection", name: "latency, p50", unit: "ms", value: (sample) => sample.p50 },
  { case: "fresh-connection", name: "latency, p99", unit: "ms", value: (sample) => sample.p99 },
  { case: "fresh-connection", name: "peak RSS", unit: "MiB", value: peak },
  { case: "cold-blob", name: "CPU", unit: "CPU-s/GiB", value: cpuPerGiB, target: { atMost: 1.3 } },
  { case: "cold-blob", name: "throughput", unit: "MiB/s", value: rate },
  { case: "cold-blob", name: "time / direct", unit: "x", value: timeToDirect },
  { case: "cold-blob", name: "upstream bytes / blob", unit: "x", value: transfers },
  { case: "cold-blob", name: "peak RSS", unit: "MiB", value: peak },
  { case: "paced-cold-blob", name: "time / direct", unit: "x", value: timeToDirect, target: { atMost: 1.3 } },
  { case: "paced-cold-blob", name: "CPU", unit: "CPU-s/GiB", value: cpuPerGiB, target: { atMost: 1.3 } },
  { case: "herd", name: "upstream bytes / blob", unit: "x", value: transfers, own: { exactly: 1 } },
  { case: "herd", name: "last client's time / direct", unit: "x", value: timeToDirect, own: { atMost: 1.1 } },
  {
    case: "herd",
    name: "first follower's first byte after the leader's",
    unit: "ms",
    value: (sample) => sample.lag?.first,
    own: { atMost: 50 },
  },
  { case: "herd", name: "last follower's", unit: "ms", value: (sample) => sample.lag?.last },
  { case: "herd", name: "CPU", unit: "CPU-s/GiB served", value: cpuPerGiB },
  { case: "herd", name: "peak RSS", unit: "MiB", value: peak },
  { case: "slow-clients", name: "upstream bytes / blob", unit: "x", value: transfers, own: { exactly: 1 } },
  {
    case: "slow-clients",
    name: "last fast client's time / direct",
    unit: "x",
    value: timeToDirect,
    own: { atMost: 1.1 },
  },
  { case: "slow-clients", name: "slowest client's rate", unit: "KiB/s", value: (sample) => per(sample.slowest, KiB) },
  { case: "slow-clients", name: "peak RSS", unit: "MiB", value: peak },
];

/** Undefined where there is nothing to divide, or to divide by. */
export function per(value: number | undefined, unit: number | undefined): number | undefined {
  return value === undefined || unit === undefined || unit === 0 ? undefined : value / unit;
}
