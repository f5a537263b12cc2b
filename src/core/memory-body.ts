import { EntrepotError } from "./errors.ts";
import type { Body, PullCallback } from "./body.ts";

const nothingToRelease = (): void => undefined;

/** Bytes in memory as a Body: every pull is called back before it returns. */
export class MemoryBody implements Body {
  readonly bytes: Buffer;
  #closed = false;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  pull(position: number, limit: number, done: PullCallback): void {
    if (this.#closed) {
      done(new EntrepotError("CANCELLED", "The reader went away."), [], nothingToRelease);
      return;
    }
    const piece = this.bytes.subarray(position, position + limit);
    done(undefined, piece.length === 0 ? [] : [piece], nothingToRelease);
  }

  close(): void {
    this.#closed = true;
  }
}
