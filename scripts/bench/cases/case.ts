import type { ContenderName, Role, Target } from "../contenders/contender.ts";
import type { Job } from "../load/job.ts";
import type { Sample, Stage } from "../round.ts";
import type { Content, Site } from "../site.ts";

/** One thing that is measured of every contender. */
export interface Case {
  readonly name: string;
  /** For the report: what is done, with its amounts. */
  readonly title: string;
  readonly role: Role;
  readonly contenders: readonly ContenderName[];
  /** Of the others: why not. */
  readonly without: Readonly<Partial<Record<ContenderName, string>>>;
  /** What Entrepot is set beside. */
  readonly yardstick: ContenderName;
  /**
   * kept: the same content in every round, in the cache since the warm-up, so the upstream sends nothing. new: content of its own for each
   * round.
   */
  readonly content: "kept" | "new";
  /** Where the contender is started anew for it: the name of a directory that it keeps from round to round, and from case to case. */
  readonly own?: string;
  /** Where it stands among cases in which one thing grows. */
  readonly point?: Point;
  /** Whether the upstream is some way off; only for a case with an own contender. */
  readonly distant?: boolean;
  /** Whether the upstream may be asked although the content is kept: how often is one of the figures. */
  readonly mayAsk?: boolean;
  /** Rounds that are enough of it. */
  readonly rounds?: number;
  make(site: Site): Content;
  /** What comes before the warm-up's job, to its end. */
  fill?(request: JobRequest): Job;
  job(request: JobRequest): Job;
  /** In place of `job` alone, where there is more to measure. */
  measure?(stage: Stage): Promise<Sample>;
  readonly figures: readonly Figure[];
}

export interface Point {
  readonly series: "clients" | "count" | "size";
  readonly x: number;
}

export interface JobRequest {
  readonly content: Content;
  readonly target: Target;
  readonly name: ContenderName;
  /** Whether it fills caches, checks every body, and lets compilers do their work; its figures are not kept. */
  readonly warmUp: boolean;
}

/** One line of the report. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  /** Undefined where the contender has no such figure. `direct` is the sample of the bare transfer in the same round. */
  value(sample: Sample, direct: Sample | undefined): number | undefined;
  /** What Entrepot / yardstick should be. */
  readonly target?: Bound;
  /** What Entrepot's own figure should be. */
  readonly own?: Bound;
  /** What Entrepot with two workers / with one should be. */
  readonly workers?: Bound;
}

/** At most and at least are for the median, exactly is for every round. */
export type Bound = { readonly atMost: number } | { readonly atLeast: number } | { readonly exactly: number };
