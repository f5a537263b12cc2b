import { GiB, KiB, MiB } from "../plan.ts";
import type { Sample } from "../round.ts";
import type { Bound, Figure } from "./case.ts";

type Bounds = Pick<Figure, "target" | "own" | "workers">;

/** Undefined where there is nothing to divide, or to divide by. */
export function per(value: number | undefined, unit: number | undefined): number | undefined {
  return value === undefined || unit === undefined || unit === 0 ? undefined : value / unit;
}

export const twoWorkers: Bound = { atMost: 1.1 };

export function cpuPerGiB(bounds: Bounds = {}): Figure {
  return { name: "CPU", unit: "CPU-s/GiB", value: (sample) => per(sample.cpuSeconds, sample.bytes / GiB), ...bounds };
}

/** `what` is one request of the job. */
export function cpuPerRequest(what: string, bounds: Bounds = {}): Figure {
  const value = (sample: Sample): number | undefined => per(sample.cpuSeconds, sample.requests / 1e6);
  return { name: "CPU", unit: `CPU-µs/${what}`, value, ...bounds };
}

export function throughput(bounds: Bounds = {}): Figure {
  return { name: "throughput", unit: "MiB/s", value: (sample) => sample.bytes / MiB / sample.seconds, ...bounds };
}

export function rate(what: string): Figure {
  return { name: "rate", unit: `${what}/s`, value: (sample) => sample.requests / sample.seconds };
}

export const loadBusy: Figure = {
  name: "the load's own CPU is busy",
  unit: "%",
  value: (sample) => (sample.loadCpuSeconds / sample.seconds) * 100,
};

/** In milliseconds, or in microseconds where that reads better. */
export function latencies(what: string, unit: "ms" | "µs" = "ms"): Figure[] {
  const scale = unit === "ms" ? 1 : 1000;
  return [
    { name: `${what}, p50`, unit, value: (sample) => per(sample.p50, 1 / scale) },
    { name: `${what}, p99`, unit, value: (sample) => per(sample.p99, 1 / scale) },
  ];
}

export function peakRss(bounds: Bounds = {}): Figure {
  return { name: "peak RSS", unit: "MiB", value: (sample) => per(sample.peakRss, MiB), ...bounds };
}

export function timeToDirect(whose: string, bounds: Bounds = {}): Figure {
  return {
    name: `${whose} / direct`,
    unit: "x",
    value: (sample, direct) => per(sample.seconds, direct?.seconds),
    ...bounds,
  };
}

/** How many times over the upstream sent the blob, of which each request had one. */
export function transfers(bounds: Bounds = {}): Figure {
  const value = (sample: Sample): number | undefined => per(sample.upstreamBytes, sample.bytes / sample.requests);
  return { name: "upstream bytes / blob", unit: "x", value, ...bounds };
}

export const slowestRate: Figure = {
  name: "slowest client's rate",
  unit: "KiB/s",
  value: (sample) => per(sample.slowest, KiB),
};

export function size(bytes: number): string {
  if (bytes >= GiB) return `${bytes / GiB} GiB`;
  return bytes >= MiB ? `${bytes / MiB} MiB` : `${bytes / KiB} KiB`;
}
