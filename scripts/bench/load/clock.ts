import { quantile } from "../stats.ts";
import type { JobResult } from "./job.ts";

/** Times a job and the load's own CPU. */
export class Clock {
  readonly #started = performance.now();
  readonly #cpu = process.cpuUsage();
  readonly #latencies: number[] = [];

  /** One request has ended; `start` as performance.now() had it. */
  count(start: number): void {
    this.#latencies.push(performance.now() - start);
  }

  /** `bytes` of bodies came or went until now. */
  stop(bytes: number, tls: string): JobResult {
    const seconds = (performance.now() - this.#started) / 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (q: number): number | undefined => (sorted.length === 0 ? undefined : quantile(sorted, q));
    return {
      seconds,
      bytes,
      requests: sorted.length,
      loadCpuSeconds: (user + system) / 1e6,
      p50: at(0.5),
      p99: at(0.99),
      lag: undefined,
      slowest: undefined,
      tls,
    };
  }
}
