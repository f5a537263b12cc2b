import { close, read } from "node:fs";
import type { Body, PullCallback } from "../core/body.ts";
import { EntrepotError } from "../core/errors.ts";
import type { BufferPool, Slab } from "./pool.ts";
import { errnoOf, ioError } from "./trouble.ts";

const nothing: readonly Buffer[] = [];
const noRelease = (): void => undefined;

/** Content of the store, read by position with its own descriptor: eviction or a rename under it changes nothing. */
export class FileBody implements Body {
  readonly size: number;
  readonly #descriptor: number;
  readonly #pool: BufferPool;
  readonly #damaged: () => void;
  #slab: Slab | undefined;
  #done: PullCallback | undefined;
  #closed = false;

  /** `damaged` is called when the file turns out shorter than `size`, or unreadable. The descriptor is closed by the body. */
  constructor(descriptor: number, size: number, pool: BufferPool, damaged: () => void) {
    this.#descriptor = descriptor;
    this.size = size;
    this.#pool = pool;
    this.#damaged = damaged;
  }

  pull(position: number, limit: number, done: PullCallback): void {
    if (this.#closed) {
      done(cancelled(), nothing, noRelease);
      return;
    }
    const length = Math.min(limit, this.size - position, this.#pool.size);
    if (length <= 0) {
      done(undefined, nothing, noRelease);
      return;
    }
    const slab = this.#pool.take();
    this.#slab = slab;
    this.#done = done;
    read(this.#descriptor, slab.buffer, 0, length, position, this.#arrived);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const done = this.#done;
    this.#done = undefined;
    // While a read is under way the descriptor's number must not be given to another file.
    if (this.#slab === undefined) close(this.#descriptor, ignore);
    done?.(cancelled(), nothing, noRelease);
  }

  readonly #arrived = (error: Error | null, bytes: number): void => {
    const slab = this.#slab;
    const done = this.#done;
    this.#slab = undefined;
    this.#done = undefined;
    if (slab === undefined) return;
    if (this.#closed) close(this.#descriptor, ignore);
    if (done === undefined) {
      slab.release();
    } else if (error !== null) {
      slab.release();
      // A disk that does not give it back will not do so at the next pull either.
      if (errnoOf(error) === "EIO") this.#damaged();
      done(ioError("read a blob", error), nothing, noRelease);
    } else if (bytes === 0) {
      slab.release();
      this.#damaged();
      done(ioError("read a blob to its end, since its file was cut short", undefined), nothing, noRelease);
    } else {
      done(undefined, [bytes === slab.buffer.length ? slab.buffer : slab.buffer.subarray(0, bytes)], slab.release);
    }
  };
}

export function cancelled(): EntrepotError {
  return new EntrepotError("CANCELLED", "The reader went away.");
}

function ignore(): void {
  // A descriptor that cannot be closed is of no consequence to anybody.
}
