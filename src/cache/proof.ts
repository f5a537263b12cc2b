import type { Digest } from "../core/digest.ts";
import { digestOfOpen } from "./check.ts";
import type { OpenFile } from "./open-file.ts";
import type { BufferPool } from "./pool.ts";
import { statFile } from "./spool.ts";
import { isUntouched, type Stamp } from "./stamp.ts";
import { errnoOf } from "./trouble.ts";

/** wrong: not what its digest says, or changed while it was read. unread: the disk failed otherwise, or nobody waited for it any more. */
export type Verdict = "whole" | "wrong" | "unread";

/**
 * Hashes an opened file once, for all who want to read it: they may have its bytes meanwhile, but not the last ones. It begins when it is
 * first waited for, and ends early when everybody has left.
 */
export class Proof {
  readonly stamp: Stamp;
  readonly #file: OpenFile;
  readonly #digest: Digest;
  readonly #pool: BufferPool;
  readonly #done: (verdict: Verdict) => void;
  readonly #stop = new AbortController();
  #holders = 0;
  #verdict: Promise<Verdict> | undefined;

  /** `done` is told the verdict before anybody else. */
  constructor(file: OpenFile, stamp: Stamp, digest: Digest, pool: BufferPool, done: (verdict: Verdict) => void) {
    file.retain();
    this.#file = file;
    this.stamp = stamp;
    this.#digest = digest;
    this.#pool = pool;
    this.#done = done;
  }

  /** Whether everybody has left: who comes now needs another one. */
  get isOver(): boolean {
    return this.#stop.signal.aborted;
  }

  join(): void {
    this.#holders += 1;
  }

  leave(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    this.#stop.abort();
    if (this.#verdict === undefined) this.#file.release();
  }

  /** Never rejects. */
  wait(): Promise<Verdict> {
    this.#verdict ??= this.#run();
    return this.#verdict;
  }

  async #run(): Promise<Verdict> {
    const verdict = await this.#read();
    this.#done(verdict);
    return verdict;
  }

  async #read(): Promise<Verdict> {
    const slab = this.#pool.take();
    try {
      const found = await digestOfOpen(this.#file.descriptor, this.#digest, slab.buffer, this.#stop.signal);
      const whole = found === this.#digest && isUntouched(this.stamp, await statFile(this.#file.descriptor));
      return whole ? "whole" : "wrong";
    } catch (error) {
      return errnoOf(error) === "EIO" ? "wrong" : "unread";
    } finally {
      slab.release();
      this.#file.release();
    }
  }
}
