import { type Digest, hexOf } from "../core/digest.ts";

/** 8 MiB: with ten million digests one in six hundred of those that are not in it passes for one that is. */
const bits = 2 ** 26;
const probes = 4;

/**
 * A set of digests in a fixed piece of memory, however many there are. It never denies one that was added; that it takes another for one costs
 * nothing here but content that stays a while longer.
 */
export class DigestFilter {
  readonly #table = new Uint8Array(bits / 8);

  add(digest: Digest): void {
    for (const bit of positions(digest)) this.#table[bit >> 3] = (this.#table[bit >> 3] ?? 0) | (1 << (bit & 7));
  }

  mayHave(digest: Digest): boolean {
    return positions(digest).every((bit) => ((this.#table[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
  }
}

/** A digest is as good as random already. */
function positions(digest: Digest): number[] {
  const hex = hexOf(digest);
  return Array.from({ length: probes }, (_, probe) => Number.parseInt(hex.slice(8 * probe, 8 * probe + 8), 16) % bits);
}
