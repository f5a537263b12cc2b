/** What one stream may hold of its body at a time. */
export interface Portion {
  /** Bytes that one pull asks for. */
  readonly piece: number;
  /** Whether the next piece is read while the one before it drains. */
  readonly ahead: boolean;
}

/** Bytes of pieces that all streams of the process hold together, as long as smaller pieces can see to that. TLS has as much again, encrypted. */
const budget = 16 * 1024 * 1024;
/** Each piece costs a read, and a pass through the TLS stack and the event loop; beyond this size that is little beside its bytes. */
const largest = 256 * 1024;
/** Below this size it is more than the bytes themselves cost. */
const smallest = 64 * 1024;

/**
 * What each of so many streams gets: while the budget lasts two large pieces, then one, since others have work for the processor while it drains, and what
 * was read last is still in its cache when it is encrypted; then smaller ones. Sizes are halves of each other, so that a pool has few of them.
 */
export function portionOf(streams: number): Portion {
  const each = budget / Math.max(1, streams);
  if (each >= 2 * largest) return { piece: largest, ahead: true };
  let piece = largest;
  while (piece > each && piece > smallest) piece /= 2;
  return { piece, ahead: false };
}

/** Counts the streams that run. */
export class Share {
  #streams = 0;
  #portion = portionOf(0);

  /** Of each of those that run now. */
  get portion(): Portion {
    return this.#portion;
  }

  join(): void {
    this.#streams += 1;
    this.#portion = portionOf(this.#streams);
  }

  leave(): void {
    this.#streams -= 1;
    this.#portion = portionOf(this.#streams);
  }
}
