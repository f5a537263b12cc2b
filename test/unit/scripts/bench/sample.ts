import type { ContenderName } from "../../../../scripts/bench/contenders/contender.ts";
import type { Sample } from "../../../../scripts/bench/round.ts";

/** One of a round in which nothing was measured but what is said. */
export function sample(
  name: string,
  contender: ContenderName,
  round: number,
  measured: Partial<Sample> & { readonly seconds: number },
): Sample {
  const counted = { bytes: 1, requests: 1, loadCpuSeconds: 0, upstreamBytes: 0, upstreamRoundTrips: 0 };
  const none = { p50: undefined, p99: undefined, lag: undefined, slowest: undefined, cpuSeconds: undefined };
  const base = { ...counted, ...none, upstreamContent: 0, peakRss: undefined, tls: "" };
  return { ...base, case: name, contender, round, ...measured };
}
