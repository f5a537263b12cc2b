import type { Readable } from "node:stream";

export interface ShortBody {
  /** The most that it may have, bytes. */
  readonly limit: number;
  /** What to reject with where it has more. It is paused then, not destroyed: an answer may still go back on its connection. */
  tooLong(): Error;
  /** Likewise where it closes before its end. */
  cut(): Error;
}

/** All bytes of a body that is short. Rejects with the body's own error as well. */
export function readShort(body: Readable, { limit, tooLong, cut }: ShortBody): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    body.on("data", (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (length <= limit) return;
      body.pause();
      reject(tooLong());
    });
    body.once("end", () => resolve(Buffer.concat(pieces)));
    body.once("error", reject);
    body.once("close", () => reject(cut()));
    body.resume();
  });
}
