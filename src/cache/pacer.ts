import { paceOf, tooSlowBefore } from "./pace.ts";

/** The followers of a fill that has no disk, and its source. */
export interface Paced {
  /** What each follower will ask for next, in bytes from the start. */
  needs(): Iterable<number>;
  /** Ends the followers that need something before this position. */
  drop(before: number): void;
  pause(): void;
  resume(): void;
  /** What lies before a position is nobody's any longer. */
  trim(before: number): void;
}

/** Memory of a fill without a disk, at least: more than what is held back. */
const leastMemory = 256 * 1024;

/** Lets the source of a fill that has no disk wait for the slowest follower, for a while. */
export class Pacer {
  paused = false;
  readonly #paced: Paced;
  readonly #limit: number;
  readonly #patience: number;
  #timer: NodeJS.Timeout | undefined;

  /** `memory`: bytes held at most. `patience`: milliseconds for which a slow follower may hold up the others. */
  constructor(paced: Paced, memory: number, patience: number) {
    this.#paced = paced;
    this.#limit = Math.max(memory, leastMemory);
    this.#patience = patience;
  }

  /** After anything that has changed what is there or what is needed. Positions are bytes from the start. */
  pace(spooled: number, received: number): void {
    const { paused } = this;
    const next = paceOf({ spooled, received, paused }, this.#paced.needs(), this.#limit);
    this.#paced.trim(next.keep);
    this.paused = next.paused;
    if (!next.paused) {
      clearTimeout(this.#timer);
      if (paused) this.#paced.resume();
      return;
    }
    this.#paced.pause();
    if (!paused) this.#wait(spooled, received);
  }

  #wait(spooled: number, received: number): void {
    this.#timer = setTimeout(() => {
      const line = tooSlowBefore(received, this.#paced.needs(), this.#limit);
      this.#wait(spooled, received);
      if (line === undefined) return;
      this.#paced.drop(line);
      this.pace(spooled, received);
    }, this.#patience);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
