import type { Body, PullCallback } from "../core/body.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { cancelled } from "./file-body.ts";
import type { Store } from "./types.ts";

/** For who comes to a flight when it has landed and its spool is closed: the content as the store has it, opened at the first pull. */
export class LateBody implements Body {
  readonly size: number | undefined;
  readonly #store: Store;
  readonly #digest: Digest;
  #body: Body | undefined;
  #opening: PullCallback | undefined;
  #closed = false;

  constructor(store: Store, digest: Digest, size: number | undefined) {
    this.#store = store;
    this.#digest = digest;
    this.size = size;
  }

  pull(position: number, limit: number, done: PullCallback): void {
    if (this.#closed) done(cancelled(), [], () => undefined);
    else if (this.#body !== undefined) this.#body.pull(position, limit, done);
    else void this.#open(position, limit, done);
  }

  async #open(position: number, limit: number, done: PullCallback): Promise<void> {
    this.#opening = done;
    const body = await this.#store.find(this.#digest, this.size).catch(() => undefined);
    this.#opening = undefined;
    if (this.#closed) body?.close();
    else if (body === undefined) done(gone(), [], () => undefined);
    else {
      this.#body = body;
      body.pull(position, limit, done);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#body?.close();
    this.#opening?.(cancelled(), [], () => undefined);
  }
}

function gone(): EntrepotError {
  return new EntrepotError("CACHE_IO", "The content left the cache before it could be read. Pull again.");
}
