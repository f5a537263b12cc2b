import { LRUCache } from "lru-cache";
import type { Digest } from "../core/digest.ts";
import type { Stamp } from "./stamp.ts";

/** What this process knows of content on disk. */
export interface Known {
  /** Bytes. */
  readonly size: number;
  /** Last use, milliseconds since the epoch. */
  used: number;
  /** The last use that the file's time tells. */
  marked: number;
  /** Of the file whose bytes were compared with the digest, by this process. */
  proven?: Stamp | undefined;
}

/** Memory in front of the disk: small content itself, and facts about the rest. Bounded. */
export class Hot {
  readonly #bytes: LRUCache<Digest, Buffer>;
  readonly #known = new LRUCache<Digest, Known>({ max: 200_000 });

  /** `limit`: bytes of content held at most; 0 holds none. */
  constructor(limit: number) {
    // Each entry costs something besides its bytes, and an empty one must not be free.
    this.#bytes = new LRUCache({ maxSize: Math.max(1, limit), sizeCalculation: (buffer) => buffer.length + 256 });
  }

  content(digest: Digest): Buffer | undefined {
    return this.#bytes.get(digest);
  }

  keep(digest: Digest, bytes: Buffer): void {
    this.#bytes.set(digest, bytes);
  }

  known(digest: Digest): Known | undefined {
    return this.#known.get(digest);
  }

  learn(digest: Digest, known: Known): void {
    this.#known.set(digest, known);
  }

  forget(digest: Digest): void {
    this.#bytes.delete(digest);
    this.#known.delete(digest);
  }
}
