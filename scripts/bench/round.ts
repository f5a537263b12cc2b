import { setTimeout as pause } from "node:timers/promises";
import { type Case, type CaseName, once } from "./cases.ts";
import type { Contender, ContenderName, Target } from "./contenders/contender.ts";
import type { Load } from "./load/client.ts";
import type { JobResult } from "./load/job.ts";
import type { Content } from "./site.ts";
import type { Upstream } from "./upstream.ts";

/** What one contender did in one case of one round. */
export interface Sample extends JobResult {
  readonly case: CaseName;
  readonly contender: ContenderName;
  readonly round: number;
  /** Of its whole process tree; undefined for `direct`. */
  readonly cpuSeconds: number | undefined;
  /** Bytes, likewise. */
  readonly peakRss: number | undefined;
  /** Bytes of content that the upstream sent meanwhile. */
  readonly upstreamBytes: number;
}

export interface Turn {
  readonly case: Case;
  readonly content: Content;
  readonly target: Target;
  readonly name: ContenderName;
  /** Undefined for `direct`. */
  readonly contender: Contender | undefined;
  /** Seconds. */
  readonly warmUpLimit: number;
  /** 0 is the warm-up: every body hashed, nothing kept of its figures. */
  readonly round: number;
}

/** How long a contender may go on working after the last byte; what it does then is still its cost. */
const settle = 150;

export async function takeTurn(turn: Turn, load: Load, upstream: Upstream): Promise<Sample> {
  const { contender, content, round } = turn;
  const warmUp = round === 0;
  const amount = turn.name === "direct" ? once : turn.case.load;
  const warmUpRequests = turn.name === "direct" ? once.requests : turn.case.warmUp;
  upstream.sent();
  contender?.tree.resetPeak();
  const before = contender?.tree.cpuSeconds();
  const result = await load.run({
    target: turn.target,
    path: content.path,
    ...amount,
    bytes: content.size,
    ...(warmUp && { sha256: content.sha256, seconds: turn.warmUpLimit, requests: warmUpRequests }),
  });
  await pause(settle);
  const after = contender?.tree.cpuSeconds();
  const upstreamBytes = upstream.sent();
  if (!warmUp && turn.case.content === "warm" && upstreamBytes > 0) {
    throw new Error(`The upstream sent ${upstreamBytes} bytes of what should have been in the cache.`);
  }
  return {
    ...result,
    case: turn.case.name,
    contender: turn.name,
    round,
    cpuSeconds: after === undefined || before === undefined ? undefined : after - before,
    peakRss: contender?.tree.peakBytes(),
    upstreamBytes,
  };
}
