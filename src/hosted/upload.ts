import { closeFile, writeAll } from "../cache/spool.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { syncFile } from "./durable.ts";
import type { RunningHash } from "./running-hash.ts";

export interface UploadParts {
  readonly descriptor: number;
  /** While it is held. */
  readonly path: string;
  /** Bytes that it has already. */
  readonly size: number;
  readonly hash: RunningHash;
  /** Lets others have it. */
  readonly release: () => Promise<void>;
  /** Removes whatever is left of it. */
  readonly forget: () => Promise<void>;
}

/** An upload in the hands of the one request that writes to it. That request ends with `release`, `discard` or `finish`. */
export class Upload {
  readonly #parts: UploadParts;
  readonly #interrupted = new AbortController();
  readonly #over = Promise.withResolvers<void>();
  #size: number;
  #ended = false;

  constructor(parts: UploadParts) {
    this.#parts = parts;
    this.#size = parts.size;
  }

  /** Bytes written. */
  get size(): number {
    return this.#size;
  }

  /** Aborted when another request wants it. */
  get signal(): AbortSignal {
    return this.#interrupted.signal;
  }

  /** Resolves once whoever holds it has let go. */
  async interrupt(): Promise<void> {
    this.#interrupted.abort();
    await this.#over.promise;
  }

  /** Writes behind what is there. One call at a time. */
  async append(pieces: readonly Buffer[]): Promise<void> {
    const { descriptor, hash } = this.#parts;
    let position = this.#size;
    const written = writeAll(descriptor, pieces, position);
    // While the disk has its turn.
    for (const piece of pieces) {
      hash.add(piece, position);
      position += piece.length;
    }
    try {
      this.#size += await written;
    } catch (error) {
      hash.spoil();
      throw error;
    }
  }

  /** Keeps what was received for a request to come. */
  async release(): Promise<void> {
    await this.#end(this.#parts.release);
  }

  /** Forgets it and what was received. */
  async discard(): Promise<void> {
    await this.#end(this.#parts.forget);
  }

  /**
   * Proves what was received, and hands the file to `adopt`, which takes it away: synchronised, and with nobody left who could write to it. Rejects
   * with DIGEST_INVALID where it is something else, and the upload is gone then too.
   */
  async finish(digest: Digest, adopt: (path: string) => Promise<void>): Promise<void> {
    const { descriptor, path, hash, release, forget } = this.#parts;
    const handOver = async (): Promise<void> => {
      try {
        await adopt(path);
      } catch (error) {
        await release();
        throw error;
      }
      await forget();
    };
    await this.#end(handOver, async () => {
      if (!(await hash.matches(digest, descriptor, this.#size))) {
        await forget();
        throw new EntrepotError(
          "DIGEST_INVALID",
          "What was uploaded does not have the digest that was given with it; upload it again.",
          {
            detail: { digest },
          },
        );
      }
      await syncFile(descriptor);
    });
  }

  /** `proof` runs with the file open, `action` once it is closed. */
  async #end(action: () => Promise<void>, proof?: () => Promise<void>): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      try {
        await proof?.();
      } finally {
        await closeFile(this.#parts.descriptor);
      }
      await action();
    } finally {
      this.#over.resolve();
    }
  }
}
