import type { Stamp } from "../cache/stamp.ts";
import type { CacheRecord } from "../cache/types.ts";
import type { Digest } from "../core/digest.ts";
import type { Shape } from "../serve/shapes.ts";
import type { Claim, Settled } from "./claims.ts";
import type { FlightEnd, FlightInfo, FlightNews, JoinAnswer, Progress } from "./flight-board.ts";
import type { DashboardFigures, WorkerFigures } from "./figures.ts";
import type { Change, Snapshot } from "./replicas.ts";

/** Changed with every change of what follows: a reload may bring a worker of another version of the program. */
export const protocolVersion = 4;

/** retire: another worker takes its place, and nobody is to lose a request for it. */
export type StopHow = "drain" | "now" | "retire";

/** An address that is listened on. */
export interface Listened {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

/** The bound sockets that a worker has from its primary, and the queues among them that are its own. */
export interface WorkerDoors {
  /** `fd`: the worker's own descriptor. */
  readonly sockets: readonly { readonly fd: number; readonly tls: boolean; readonly queue: number }[];
  readonly queues: readonly number[];
}

/** What a worker is given before anything else. The keys are secrets of the instance, and go nowhere else. */
export interface Welcome {
  readonly version: number;
  /** Counts the workers of this instance from 1. */
  readonly worker: number;
  readonly workers: number;
  readonly doors: WorkerDoors;
  readonly credentialKey: Buffer;
  readonly tokenKey: Buffer;
  readonly facts: Snapshot;
}

/** Content that was used: digest, bytes, when (milliseconds since the epoch). */
export type Use = readonly [digest: Digest, size: number, at: number];

/** A record, or that there is none, and when that became so: versions count up. */
export interface Versioned {
  readonly record: CacheRecord | undefined;
  readonly version: number;
}

export interface Changed {
  readonly version: number;
  readonly failed: Error | undefined;
}

/** What a worker asks of the primary. */
export interface PrimaryMethods {
  readonly [name: string]: (...given: never[]) => unknown;
  hello(version: number): Welcome;
  ready(listening: readonly Listened[]): void;
  unfit(error: Error): void;

  recordGet(key: string): Promise<Versioned>;
  /** Resolves with the version; `failed`: why it could not be kept on disk. */
  recordPut(key: string, record: CacheRecord): Promise<Changed>;
  recordDelete(key: string): Promise<Changed>;

  publish(changes: readonly Change[]): Promise<void>;
  shapeGet(key: string): Promise<Shape | undefined>;
  shapePut(key: string, shape: Shape): Promise<void>;

  used(uses: readonly Use[]): void;
  /** Content was removed, or looked for and not found. */
  missing(digest: Digest): void;
  free(bytes: number): Promise<number>;
  keepFree(): void;
  /** The cache's disk failed: what could not be done, and the error's code. */
  trouble(action: string, code: string | undefined): void;
  /** Content was compared with its digest, when its file had this stamp. */
  proved(digest: Digest, stamp: Stamp): void;
  proofOf(digest: Digest): Stamp | undefined;

  flightCurrent(digest: Digest): FlightInfo | undefined;
  flightJoin(digest: Digest, origin: string, expected: number | undefined): JoinAnswer;
  flightProgress(number: number, digest: Digest, progress: Progress): void;
  flightSplit(number: number, digest: Digest, lost: Error): void;
  flightEnded(number: number, digest: Digest, end: FlightEnd): void;
  flightLeft(number: number, digest: Digest): void;
  flightUnable(number: number, digest: Digest): void;

  claim(key: string): Promise<Claim>;
  settle(key: string, settled: Settled): void;
  abandon(key: string): void;

  leadTake(key: string): void;
  leadSettle(key: string, settled: Settled | undefined): void;
  leadFollow(key: string): Promise<Settled | undefined>;

  /** All that was told before has been taken in. */
  goodbye(): void;

  metricsText(): Promise<string>;
  dashboard(): Promise<DashboardFigures>;
}

/** What the primary asks of a worker. */
export interface WorkerMethods {
  readonly [name: string]: (...given: never[]) => unknown;
  learn(changes: readonly Change[]): void;
  recordChanged(key: string, now: Versioned): void;
  recordForget(key: string): void;
  contentRemoved(digest: Digest): void;

  flightNews(number: number, digest: Digest, news: FlightNews): void;
  flightTakeOver(flight: FlightInfo): void;
  flightFollowed(number: number, digest: Digest, by: number): void;

  /** For the metrics and the dashboard. */
  figures(): Promise<WorkerFigures>;
  /** What was used and not told yet. */
  uses(): readonly Use[];
  /** Takes connections from these queues too: the worker whose they were is gone. */
  adopt(queues: readonly number[]): void;
  stop(how: StopHow, limit: number): void;
}
