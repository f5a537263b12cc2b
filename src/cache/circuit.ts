import { LRUCache } from "lru-cache";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";

interface Wrong {
  readonly origin: string;
  readonly error: EntrepotError;
  /** In a row. */
  readonly times: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Digests remembered. */
const remembered = 10_000;
/** Milliseconds. */
const firstPause = 1000;
const longestPause = 60_000;

/**
 * Keeps a blob that an origin sends wrong from being downloaded again and again: the first request after a failure tries again, those
 * after a further one only when a pause is over that doubles each time.
 */
export class Circuit {
  readonly #clock: Clock;
  readonly #wrong = new LRUCache<Digest, Wrong>({ max: remembered });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The error to refuse with, as it was; undefined where the origin may be asked. Another origin starts afresh. */
  refusal(digest: Digest, origin: string): EntrepotError | undefined {
    const wrong = this.#wrong.get(digest);
    if (wrong === undefined) return undefined;
    if (wrong.origin === origin) return this.#clock.now() < wrong.until ? wrong.error : undefined;
    this.#wrong.delete(digest);
    return undefined;
  }

  /** Only what was wrong with the content counts: an upstream that is gone has its own ways. */
  failed(digest: Digest, origin: string, error: Error): void {
    if (!(error instanceof EntrepotError)) return;
    if (error.code !== "UPSTREAM_WRONG_DIGEST" && error.code !== "UPSTREAM_WRONG_LENGTH") return;
    const before = this.#wrong.get(digest);
    const times = before?.origin === origin ? before.times + 1 : 1;
    const until = this.#clock.now() + pauseAfter(times);
    this.#wrong.set(digest, { origin, error, times, until });
  }

  succeeded(digest: Digest): void {
    this.#wrong.delete(digest);
  }
}

/** Milliseconds for which nothing is asked after so many failures in a row. */
export function pauseAfter(times: number): number {
  return times < 2 ? 0 : Math.min(longestPause, firstPause * 2 ** (times - 2));
}
