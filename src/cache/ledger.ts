import { setImmediate as nextTurn } from "node:timers/promises";
import type { Digest } from "../core/digest.ts";
import type { Stored } from "./types.ts";

export interface LedgerEntry {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly lastUsed: number;
}

/** Entries taken in at a time: each thousand keeps the event loop for a millisecond or so. */
const slice = 2000;

/** What is held, least recently used first: the order of a Map is that of insertion, and a use inserts anew. */
export class Ledger {
  /** What an earlier run left and this one has not used: all of it is older than the rest. */
  readonly #inherited = new Map<Digest, LedgerEntry>();
  #entries = new Map<Digest, LedgerEntry>();
  /** Some were told late: the order of the entries is not that of their uses. */
  #isMixed = false;
  #bytes = 0;
  #last: Digest | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#inherited.size + this.#entries.size;
  }

  get(digest: Digest): LedgerEntry | undefined {
    return this.#entries.get(digest) ?? this.#inherited.get(digest);
  }

  /** In another process, which tells it when others may have told later ones. */
  usedElsewhere(digest: Digest, size: number, at: number): void {
    const known = this.get(digest);
    if (known?.size === size && known.lastUsed > at) return;
    const last = this.#last;
    const youngest = last === undefined ? undefined : this.#entries.get(last);
    this.used(digest, size, at);
    if (youngest === undefined || youngest.lastUsed <= at) return;
    this.#isMixed = true;
    this.#last = last;
  }

  used(digest: Digest, size: number, at: number): void {
    // The one used last is in its place already, and is often the next one too: many nodes pull the same image.
    const last = digest === this.#last ? this.#entries.get(digest) : undefined;
    if (last?.size === size) {
      this.#entries.set(digest, { size, lastUsed: at });
      return;
    }
    this.removed(digest);
    this.#entries.set(digest, { size, lastUsed: at });
    this.#bytes += size;
    this.#last = digest;
  }

  removed(digest: Digest): void {
    const entry = this.get(digest);
    if (entry === undefined) return;
    this.#entries.delete(digest);
    this.#inherited.delete(digest);
    this.#bytes -= entry.size;
  }

  /**
   * Takes in what an earlier run left, in slices. What this run has used is newer, and stands. Sorted by whole minutes: the store knows
   * the last use no better, and sorting 200,000 entries in one go would keep everybody waiting.
   */
  async load(found: AsyncIterable<Stored>): Promise<void> {
    const minutes = new Map<number, Stored[]>();
    for await (const stored of found) {
      const minute = Math.floor(stored.lastUsed / 60_000);
      const bucket = minutes.get(minute);
      if (bucket === undefined) minutes.set(minute, [stored]);
      else bucket.push(stored);
    }
    let taken = 0;
    for (const [, bucket] of [...minutes].toSorted(([one], [other]) => one - other)) {
      for (const stored of bucket) {
        taken += 1;
        if (taken % slice === 0) await nextTurn();
        this.#inherit(stored);
      }
    }
  }

  #inherit({ digest, size, lastUsed }: Stored): void {
    if (this.get(digest) !== undefined) return;
    this.#inherited.set(digest, { size, lastUsed });
    this.#bytes += size;
  }

  /** The one used last. */
  newest(): [Digest, LedgerEntry] | undefined {
    if (this.#last === undefined) return undefined;
    const entry = this.#entries.get(this.#last);
    return entry === undefined ? undefined : [this.#last, entry];
  }

  /** Least recently used first; entries may be removed on the way. */
  *oldest(): Iterable<[Digest, LedgerEntry]> {
    if (this.#isMixed) {
      this.#isMixed = false;
      this.#entries = new Map([...this.#entries].toSorted(([, one], [, other]) => one.lastUsed - other.lastUsed));
    }
    yield* this.#inherited;
    yield* this.#entries;
  }
}
