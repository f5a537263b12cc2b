import { setTimeout as pause } from "node:timers/promises";
import type { Case, JobRequest } from "./cases/case.ts";
import type { ContenderName, Place } from "./contenders/contender.ts";
import type { Load } from "./load/client.ts";
import type { Job, JobResult } from "./load/job.ts";
import type { Content } from "./site.ts";
import type { Upstream } from "./upstream.ts";

/** What one contender did in one case of one round. */
export interface Sample extends JobResult {
  readonly case: string;
  readonly contender: ContenderName;
  readonly round: number;
  /** Of its whole process tree; undefined for `direct`. */
  readonly cpuSeconds: number | undefined;
  /** Bytes, likewise. */
  readonly peakRss: number | undefined;
  /** Bytes of content that the upstream sent meanwhile. */
  readonly upstreamBytes: number;
  /** How often the upstream was waited for meanwhile. */
  readonly upstreamRoundTrips: number;
  /** How many of its requests were for content. */
  readonly upstreamContent: number;
  /** Bytes that the resident set grew by, where a case measures that. */
  readonly grownRss?: number | undefined;
  /** Seconds from the start of the process, where a case measures that. */
  readonly started?: number | undefined;
}

/** All that a turn of one contender at one case needs. */
export interface Stage {
  readonly case: Case;
  readonly content: Content;
  readonly name: ContenderName;
  readonly place: Place;
  readonly load: Load;
  /** Processes of the contender among which its connections are spread. */
  readonly workers: number;
  readonly upstream: Upstream;
  /** Seconds. */
  readonly warmUpLimit: number;
  /** 0 is the warm-up. */
  readonly round: number;
}

/** How long a contender may go on working after the last byte; what it does then is still its cost. */
const settle = 150;

/** What a contender does with a blob after its last byte, some do before the next request can be a hit. */
const afterFill = 500;
const fillLimit = 30 * 60_000;

export async function takeTurn(stage: Stage): Promise<Sample> {
  const fill = stage.round === 0 && stage.case.fill?.(requestOf(stage));
  if (fill) {
    await stage.load.run(fill.kind === "pull" ? { ...fill, verify: true } : fill, { limit: fillLimit });
    await pause(afterFill);
  }
  return await (stage.case.measure?.(stage) ?? measure(stage, jobOf(stage)));
}

export function jobOf(stage: Stage): Job {
  const job = stage.case.job(requestOf(stage));
  if (stage.round > 0) return job;
  if (job.kind === "image") return { ...job, verify: true };
  const { workers } = stage;
  if (job.kind === "push" && workers > 1) return { ...job, ...spread(job, workers) };
  if (job.kind !== "pull") return job;
  const much = workers > 1 && job.connections === "kept" ? spread(job, workers) : { requests: job.requests * workers };
  return { ...job, ...much, verify: true, seconds: stage.warmUpLimit * workers };
}

/** Connections for each worker and each client that is measured: the system spreads them by chance, and no worker is to have none or few. */
const tries = 4;

/** Each process compiles for itself and has its own memory: it gets about as much as the only one of another contender. */
function spread({ clients, requests }: { clients: number; requests: number }, workers: number) {
  return { clients: clients * workers * tries, requests: Math.max(workers * tries, requests * workers) };
}

function requestOf({ content, name, place, round }: Stage): JobRequest {
  return { content, name, target: place.target, warmUp: round === 0 };
}

/** Does one job and reads, before and after, what it cost. */
export async function measure(stage: Stage, job: Job): Promise<Sample> {
  const { tree } = stage.place;
  stage.upstream.seen();
  tree?.resetPeak();
  const cpu = [tree?.cpuSeconds()];
  const marks: typeof cpu = [];
  const result = await stage.load.run(job, { onMark: () => marks.push(tree?.cpuSeconds()) });
  await pause(settle);
  cpu.push(tree?.cpuSeconds());
  const [before, after] = marks.length === 2 ? marks : cpu;
  const seen = stage.upstream.seen();
  const { content, role, mayAsk } = stage.case;
  if (stage.round > 0 && content === "kept" && role === "cache" && !mayAsk && seen.bytes > 0) {
    throw new Error(`The upstream sent ${seen.bytes} bytes of what should have been in the cache.`);
  }
  return {
    ...result,
    case: stage.case.name,
    contender: stage.name,
    round: stage.round,
    cpuSeconds: after === undefined || before === undefined ? undefined : after - before,
    peakRss: tree?.peakBytes(),
    upstreamBytes: seen.bytes,
    upstreamRoundTrips: seen.roundTrips,
    upstreamContent: seen.content,
  };
}
