import { createHash, type Hash } from "node:crypto";
import type { Spool, Store } from "../cache/types.ts";
import { algorithmOf, type Digest, type DigestAlgorithm, digestOfHash } from "../core/digest.ts";

/**
 * What one upload brought so far, over as many requests as it takes: hashed, and on a spool. Whatever the disk does, it never throws: what it
 * does not take is not kept.
 */
export class UploadState {
  readonly repository: string;
  /** Bytes. */
  size = 0;
  readonly #store: Pick<Store, "createSpool">;
  #spool: Spool | undefined;
  #hash: Hash | undefined;
  #algorithm: DigestAlgorithm = "sha256";
  #dropped = false;

  constructor(store: Pick<Store, "createSpool">, repository: string) {
    this.#store = store;
    this.repository = repository;
  }

  /** Before the first byte: the algorithm of the digest that the client named. Without one, sha256 is what it will be. */
  expect(digest: Digest): void {
    if (this.size === 0) this.#algorithm = algorithmOf(digest);
  }

  /** Resolves when the disk has it, so that the sender's pace is the disk's where that is the slower one. Never rejects. */
  async take(piece: Buffer): Promise<void> {
    if (this.#dropped) return;
    this.#hash ??= createHash(this.#algorithm);
    this.#hash.update(piece);
    this.size += piece.length;
    try {
      this.#spool ??= await this.#store.createSpool();
      await this.#spool.append([piece]);
    } catch {
      this.drop();
    }
    // Dropped while the spool was made.
    if (this.#dropped) this.#spool?.close();
  }

  /** Makes it the content of the digest; false where it is not that, or the disk did not keep it. It is over then. Never rejects. */
  async adopt(digest: Digest): Promise<boolean> {
    const hash = this.#hash;
    const right =
      !this.#dropped &&
      hash !== undefined &&
      algorithmOf(digest) === this.#algorithm &&
      digestOfHash(this.#algorithm, hash) === digest;
    try {
      if (right) await this.#spool?.adopt(digest);
      return right;
    } catch {
      return false;
    } finally {
      this.drop();
    }
  }

  /** Throws away what was not adopted. */
  drop(): void {
    this.#dropped = true;
    this.#spool?.close();
  }
}
