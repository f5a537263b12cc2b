import type { BufferPool } from "./pool.ts";
import type { FlightHead, Room, Store } from "./types.ts";

export interface FillOptions {
  readonly store: Store;
  readonly slabs: BufferPool;
  /** Bytes kept in memory for followers in step. */
  readonly window: number;
  /** Milliseconds to wait before each further attempt in a row; their number is the number of retries. */
  readonly retryDelays: readonly number[];
  readonly room: Room | undefined;
  /** Milliseconds to wait before each further attempt at a write for which room was made. */
  readonly roomDelays: readonly number[];
  /** Milliseconds for which, without the disk, a slow follower may hold up the others. */
  readonly patience: number;
}

/** What a fill tells its flight. */
export interface FillListener {
  answered(head: FlightHead): void;
  /** More bytes are visible. */
  advanced(): void;
  /** Whole and right. `lost`: why the store could not adopt it. */
  landed(lost: Error | undefined): void;
  failed(error: Error): void;
  /** Whether anybody is served from the window. */
  followed(): boolean;
  /** What each follower will ask for next. */
  needs(): Iterable<number>;
  /** Ends the followers that need something before this position. */
  drop(before: number): void;
}
