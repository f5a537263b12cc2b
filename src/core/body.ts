/**
 * Bytes of a blob that can be read from any position: a file of the cache, a manifest held in memory, or a flight that is
 * still filling. The one shape in which the writer of responses receives cached content.
 */
export interface Body {
  /** In bytes; undefined only for a flight whose upstream did not say. */
  readonly size: number | undefined;
  /** All of it, where it is in memory: then there is nothing to wait for. */
  readonly bytes?: Buffer;
  /**
   * Calls back, once, with the bytes at `position`: at least one and at most `limit`, or none at the end of the body.
   * A flight waits until it has some. The pieces stay valid until `release` is called, which the receiver does exactly
   * once. Not a promise: this is the byte path. At most one pull is under way at a time; it may be called back before
   * `pull` returns.
   */
  pull(position: number, limit: number, done: PullCallback): void;
  /**
   * Of a body that is proven while it is read, and whose end alone is held back: resolves when it is whole, rejects where it is not what it
   * should be. To be waited for before a part of it is sent that does not reach its end.
   */
  proven?(): Promise<void>;
  /** Gives the body's file back. A pull under way is called back with a CANCELLED error. May be called twice. */
  close(): void;
}

export type PullCallback = (error: Error | undefined, pieces: readonly Buffer[], release: () => void) => void;
