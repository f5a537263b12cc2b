import type { Body, PullCallback } from "../core/body.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Fill } from "./fill.ts";
import { cancelled } from "./file-body.ts";
import { lostError } from "./flight-errors.ts";
import { judgePull } from "./flight-state.ts";
import type { BufferPool, Slab } from "./pool.ts";

const nothing: readonly Buffer[] = [];
const noRelease = (): void => undefined;

/** What a follower needs of its flight. */
export interface Followed {
  readonly fill: Fill;
  /** For those that are behind the window. */
  readonly readBuffers: BufferPool;
  /** Calls `wake` when there is more to see. */
  park(follower: Follower): void;
  leave(follower: Follower): void;
}

/** A reader of a flight: from memory where it is in step, from the spool where it is behind. */
export class Follower implements Body {
  readonly #flight: Followed;
  #position = 0;
  #limit = 0;
  #done: PullCallback | undefined;
  #slab: Slab | undefined;
  #dropped: Error | undefined;
  #closed = false;

  constructor(flight: Followed) {
    this.#flight = flight;
  }

  get size(): number | undefined {
    return this.#flight.fill.state.size;
  }

  /** The position that it will ask for next, as far as it is known. */
  get needs(): number {
    return this.#position;
  }

  pull(position: number, limit: number, done: PullCallback): void {
    if (this.#dropped !== undefined || this.#closed) {
      done(this.#dropped ?? cancelled(), nothing, noRelease);
      return;
    }
    this.#position = position;
    this.#limit = limit;
    this.#done = done;
    this.wake();
    if (this.#flight.fill.state.spooled !== undefined) this.#flight.fill.pace();
  }

  /** Ends it, for it holds up the others: what it needs is let go of. Whoever reads it closes it. */
  drop(): void {
    this.#dropped = lostError(undefined);
    this.#position = Number.POSITIVE_INFINITY;
    if (this.#slab === undefined) this.#finish(this.#dropped, nothing, noRelease);
  }

  /** Serves the pull under way if it can be served now. */
  wake(): void {
    if (this.#done === undefined || this.#slab !== undefined) return;
    const { fill } = this.#flight;
    switch (judgePull(fill.state, this.#position, fill.window.start)) {
      case "data":
        this.#serve();
        break;
      case "end":
        this.#finish(undefined, nothing, noRelease);
        break;
      case "failed":
        this.#finish(fill.error ?? cancelled(), nothing, noRelease);
        break;
      case "lost":
        this.#finish(lostError(fill.lost), nothing, noRelease);
        break;
      case "wait":
        this.#flight.park(this);
        break;
    }
  }

  #serve(): void {
    const { fill, readBuffers } = this.#flight;
    const end = Math.min(fill.state.visible, this.#position + this.#limit);
    const cell = fill.window.at(this.#position);
    if (cell !== undefined) {
      const from = this.#position - cell.start;
      cell.slab.retain();
      this.#finish(
        undefined,
        [cell.slab.buffer.subarray(from, Math.min(cell.filled, end - cell.start))],
        cell.slab.release,
      );
      return;
    }
    const length = Math.min(readBuffers.size, Math.min(end, fill.state.spooled ?? end) - this.#position);
    const slab = readBuffers.take(length);
    this.#slab = slab;
    fill.spool?.read(slab.buffer.subarray(0, length), this.#position, this.#arrived);
  }

  readonly #arrived = (error: Error | null, bytes: number): void => {
    const slab = this.#slab;
    this.#slab = undefined;
    if (slab === undefined) return;
    const { fill } = this.#flight;
    // A flight that failed meanwhile: what it brought is not to be trusted any further.
    const problem = this.#dropped ?? fill.error ?? error ?? (bytes === 0 ? shortSpool() : undefined);
    if (problem !== undefined || this.#closed) {
      slab.release();
      this.#finish(problem, nothing, noRelease);
    } else {
      this.#finish(undefined, [slab.buffer.subarray(0, bytes)], slab.release);
    }
  };

  #finish(error: Error | undefined, pieces: readonly Buffer[], release: () => void): void {
    const done = this.#done;
    this.#done = undefined;
    for (const piece of pieces) this.#position += piece.length;
    done?.(error, pieces, release);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#flight.leave(this);
    this.#finish(cancelled(), nothing, noRelease);
  }
}

function shortSpool(): EntrepotError {
  return new EntrepotError(
    "CACHE_IO",
    "The file of a blob that is being fetched was cut short. Look at the cache directory and its disk.",
  );
}
