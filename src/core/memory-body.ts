import type { Body, PullCallback } from "./body.ts";

const nothingToRelease = (): void => undefined;

/** Bytes in memory as a Body: every pull is called back before it returns. */
export function memoryBody(bytes: Buffer): Body {
  return {
    size: bytes.length,
    pull(position: number, limit: number, done: PullCallback): void {
      const piece = bytes.subarray(position, position + limit);
      done(undefined, piece.length === 0 ? [] : [piece], nothingToRelease);
    },
    close: nothingToRelease,
  };
}
