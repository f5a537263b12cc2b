import type { CaseName } from "./cases.ts";
import type { ContenderName } from "./contenders/contender.ts";
import { GiB, MiB } from "./plan.ts";
import type { Sample } from "./round.ts";
import { type Summary, summarise } from "./stats.ts";

/** One line of the report. */
export interface Figure {
  readonly case: CaseName;
  readonly name: string;
  readonly unit: string;
  /** Undefined where the contender has no such figure. `direct` is the sample of the bare transfer in the same round. */
  value(sample: Sample, direct: Sample | undefined): number | undefined;
  /** What Entrepot / nginx should be: at most (lower is better) or at least (higher is). */
  readonly target?: { readonly atMost: number } | { readonly atLeast: number };
}

const cpuPerGiB = (sample: Sample): number | undefined => per(sample.cpuSeconds, sample.bytes / GiB);
const peak = (sample: Sample): number | undefined => per(sample.peakRss, MiB);
const rate = (sample: Sample): number => sample.bytes / MiB / sample.seconds;
const cpuPerRequest = (scale: number) => (sample: Sample) => per(sample.cpuSeconds, sample.requests / scale);
const timeToDirect = (sample: Sample, direct: Sample | undefined): number | undefined =>
  per(sample.seconds, direct?.seconds);
const loadBusy = (sample: Sample): number => (sample.loadCpuSeconds / sample.seconds) * 100;
const transfers = (sample: Sample): number => sample.upstreamBytes / sample.bytes;

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
];

/** A figure of all rounds, per contender, and Entrepot's in parts of nginx's. */
export interface Row {
  readonly figure: Figure;
  readonly values: ReadonlyMap<ContenderName, Summary>;
  /** Of the ratios of each round, since the two ran within seconds of each other there. */
  readonly ratio: Summary | undefined;
}

export function summariseFigure(figure: Figure, samples: readonly Sample[]): Row {
  const mine = samples.filter((sample) => sample.case === figure.case);
  const direct = new Map(
    mine.filter((sample) => sample.contender === "direct").map((sample) => [sample.round, sample]),
  );
  const byContender = new Map<ContenderName, Map<number, number>>();
  for (const sample of mine) {
    const value = figure.value(sample, direct.get(sample.round));
    if (value === undefined) continue;
    const rounds = byContender.get(sample.contender) ?? new Map<number, number>();
    byContender.set(sample.contender, rounds.set(sample.round, value));
  }
  const values = new Map<ContenderName, Summary>();
  for (const [name, rounds] of byContender) {
    const summary = summarise([...rounds.values()]);
    if (summary) values.set(name, summary);
  }
  return { figure, values, ratio: summarise(ratios(byContender.get("entrepot"), byContender.get("nginx"))) };
}

function ratios(
  ours: ReadonlyMap<number, number> | undefined,
  theirs: ReadonlyMap<number, number> | undefined,
): number[] {
  return [...(ours ?? [])].flatMap(([round, value]) => per(value, theirs?.get(round)) ?? []);
}

function per(value: number | undefined, unit: number | undefined): number | undefined {
  return value === undefined || unit === undefined || unit === 0 ? undefined : value / unit;
}
