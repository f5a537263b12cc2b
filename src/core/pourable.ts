import type { Readable } from "node:stream";

/**
 * A stream that can also be poured: each piece is handed over as a view of a buffer that its source fills again, so that a byte on its way
 * makes no garbage. `end`, `error` and `close` come as of any stream, and what comes after `resume` only.
 */
export interface Pourable extends Readable {
  /**
   * Takes the place of `data` events; called before the stream is read in any other way. A piece is valid during the call alone. After `pause`
   * what has been received already is still handed over, some 64 KiB.
   */
  pour(into: (bytes: Buffer) => void): void;
}

export function isPourable(stream: Readable): stream is Pourable {
  return "pour" in stream;
}
