import { createHash } from "node:crypto";

/** Numbers in [0, 1) that a seed determines. */
export function randomOf(seed: string): () => number {
  let count = 0;
  return () => {
    count += 1;
    return createHash("sha256").update(`${seed}/${count}`).digest().readUInt32BE(0) / 2 ** 32;
  };
}
