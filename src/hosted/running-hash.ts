import { createHash, type Hash } from "node:crypto";
import { read } from "node:fs";
import { promisify } from "node:util";
import { algorithmOf, type Digest, digestOfHash, hashFor } from "../core/digest.ts";

const readFile = promisify(read);
/** Bytes. */
const pieceSize = 1024 * 1024;

/**
 * The SHA-256 of an upload as far as it was received by this process. What it lacks, since another process or an earlier run received it, is
 * read back from the file when the digest is asked for: a running hash cannot be written down.
 */
export class RunningHash {
  readonly #hash: Hash = createHash("sha256");
  #position = 0;

  /** Bytes that it covers, from the first on. */
  get position(): number {
    return this.#position;
  }

  /** Bytes at a position; those that do not follow on what it covers are left for later. */
  add(bytes: Buffer, position: number): void {
    if (position !== this.#position) return;
    this.#hash.update(bytes);
    this.#position += bytes.length;
  }

  /** What it covers is no longer certain to be what the file holds: all of it is to be read back. */
  spoil(): void {
    this.#position = Number.POSITIVE_INFINITY;
  }

  /** Whether a file of `size` bytes has this digest. Reads of it what is not covered. */
  async matches(digest: Digest, descriptor: number, size: number): Promise<boolean> {
    const algorithm = algorithmOf(digest);
    const usable = algorithm === "sha256" && this.#position <= size;
    const hash = usable ? this.#hash.copy() : hashFor(digest);
    let position = usable ? this.#position : 0;
    if (position < size) {
      const buffer = Buffer.allocUnsafeSlow(Math.min(pieceSize, size - position));
      while (position < size) {
        const { bytesRead } = await readFile(descriptor, buffer, 0, buffer.length, position);
        if (bytesRead === 0) return false;
        hash.update(buffer.subarray(0, bytesRead));
        position += bytesRead;
      }
    }
    return digestOfHash(algorithm, hash) === digest;
  }
}
