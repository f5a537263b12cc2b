import { fstat, read } from "node:fs";
import type { Body, PullCallback } from "../core/body.ts";
import { EntrepotError } from "../core/errors.ts";
import type { OpenFile } from "./open-file.ts";
import type { BufferPool, Slab } from "./pool.ts";
import type { Proof } from "./proof.ts";
import { isUntouched, type Stamp } from "./stamp.ts";
import { errnoOf, ioError } from "./trouble.ts";

const nothing: readonly Buffer[] = [];
const noRelease = (): void => undefined;

export interface FileBodyParts {
  readonly file: OpenFile;
  /** Bytes. */
  readonly size: number;
  /** Of the file when it was opened, where nobody else may touch it. */
  readonly stamp?: Stamp;
  readonly pool: BufferPool;
  /** Of a file whose bytes were not compared with its digest yet. */
  readonly proof?: Proof;
  /** Is told when the file turns out to be damaged, or unreadable. */
  readonly damaged: () => void;
}

/**
 * Content of the store, read by position with its own descriptor: eviction or a rename under it changes nothing. Its last piece is held back
 * until the file is known to be right, and not to have been changed while it was read.
 */
export class FileBody implements Body {
  readonly size: number;
  readonly #parts: FileBodyParts;
  #slab: Slab | undefined;
  #position = 0;
  #done: PullCallback | undefined;
  #closed = false;

  /** The file is the body's to release. */
  constructor(parts: FileBodyParts) {
    this.#parts = parts;
    this.size = parts.size;
    parts.proof?.join();
  }

  pull(position: number, limit: number, done: PullCallback): void {
    if (this.#closed) {
      done(cancelled(), nothing, noRelease);
      return;
    }
    const { file, pool, proof } = this.#parts;
    const length = Math.min(limit, this.size - position, pool.size);
    if (length <= 0) {
      done(undefined, nothing, noRelease);
      return;
    }
    // So that it is over soon after the last piece is wanted.
    void proof?.wait();
    const slab = pool.take(length);
    this.#slab = slab;
    this.#done = done;
    this.#position = position;
    read(file.descriptor, slab.buffer, 0, length, position, this.#arrived);
  }

  async proven(): Promise<void> {
    if (!(await this.#isProven())) throw damage();
  }

  async #isProven(): Promise<boolean> {
    const verdict = await this.#parts.proof?.wait();
    if (verdict === "wrong") this.#parts.damaged();
    return verdict === undefined || verdict === "whole";
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.proof?.leave();
    const done = this.#done;
    this.#done = undefined;
    if (this.#slab === undefined) this.#parts.file.release();
    done?.(cancelled(), nothing, noRelease);
  }

  readonly #arrived = (error: Error | null, bytes: number): void => {
    const slab = this.#slab;
    if (slab === undefined) return;
    if (error !== null) {
      // A disk that does not give it back will not do so at the next pull either.
      if (errnoOf(error) === "EIO") this.#parts.damaged();
      this.#give(ioError("read a blob", error), 0);
    } else if (bytes === 0) {
      this.#parts.damaged();
      this.#give(ioError("read a blob to its end, since its file was cut short", undefined), 0);
    } else if (this.#position + bytes < this.size || this.#closed) this.#give(undefined, bytes);
    else this.#last(bytes);
  };

  #last(bytes: number): void {
    if (this.#parts.proof === undefined) this.#look(bytes);
    else
      void this.#isProven().then((proven) => {
        if (proven) this.#look(bytes);
        else this.#give(damage(), 0);
      });
  }

  /** Whether it was changed meanwhile. What is read in one go was looked at a moment ago. */
  #look(bytes: number): void {
    const { file, pool, stamp, damaged } = this.#parts;
    if (stamp === undefined || this.size <= pool.size) this.#give(undefined, bytes);
    else
      fstat(file.descriptor, (error, stats) => {
        const right = error === null && isUntouched(stamp, stats);
        if (!right) damaged();
        this.#give(right ? undefined : damage(), bytes);
      });
  }

  /** Ends the pull under way. */
  #give(error: Error | undefined, bytes: number): void {
    const slab = this.#slab;
    const done = this.#done;
    this.#slab = undefined;
    this.#done = undefined;
    if (slab === undefined) return;
    if (this.#closed) this.#parts.file.release();
    if (done === undefined || error !== undefined) {
      slab.release();
      done?.(error, nothing, noRelease);
    } else done(undefined, [bytes === slab.buffer.length ? slab.buffer : slab.buffer.subarray(0, bytes)], slab.release);
  }
}

export function cancelled(): EntrepotError {
  return new EntrepotError("CANCELLED", "The reader went away.");
}

function damage(): EntrepotError {
  return ioError("read a blob, since its file is not what its digest says", undefined);
}
