import type { Readable } from "node:stream";
import { EntrepotError } from "../core/errors.ts";
import { isPourable } from "../core/pourable.ts";

/** One body of the upstream. After `destroy`, or its end, it says nothing more. */
export class Source {
  readonly #body: Readable;
  #quiet = false;
  #chunk: ((bytes: Buffer) => void) | undefined;

  constructor(body: Readable, broke: (error: Error) => void, ended: () => void) {
    this.#body = body;
    const once = (tell: () => void) => (): void => {
      if (this.#quiet) return;
      this.#drain();
      if (this.#quiet) return;
      this.#quiet = true;
      tell();
    };
    body.once("end", once(ended));
    // Stays for good: a late error of a destroyed socket must find a listener.
    body.on("error", (error: unknown) => once(() => broke(asBreak(error)))());
    body.once(
      "close",
      once(() => broke(new EntrepotError("UPSTREAM_WRONG_LENGTH", "The upstream closed the connection midway."))),
    );
    if (body.destroyed) queueMicrotask(once(() => broke(asBreak(body.errored))));
  }

  /** What has arrived need not be asked for again. A body in error gives it, but tells it to no listener. */
  #drain(): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    this.#body.off("data", this.#arrived);
    for (;;) {
      const bytes: unknown = this.#quiet ? null : this.#body.read();
      if (!Buffer.isBuffer(bytes)) return;
      chunk(bytes);
    }
  }

  readonly #arrived = (bytes: Buffer): void => {
    if (!this.#quiet) this.#chunk?.(bytes);
  };

  /** The bytes of a chunk are the receiver's during the call alone: the next ones may come in their place. */
  start(chunk: (bytes: Buffer) => void): void {
    if (isPourable(this.#body)) {
      // Holds nothing back that would have to be drained.
      this.#body.pour((bytes) => {
        if (!this.#quiet) chunk(bytes);
      });
    } else {
      this.#chunk = chunk;
      this.#body.on("data", this.#arrived);
    }
    // One that was paused by whoever handed it over does not flow by itself.
    this.#body.resume();
  }

  pause(): void {
    this.#body.pause();
  }

  resume(): void {
    if (!this.#quiet && this.#body.isPaused()) this.#body.resume();
  }

  destroy(): void {
    this.#quiet = true;
    this.#body.destroy();
  }
}

function asBreak(error: unknown): EntrepotError {
  if (error instanceof EntrepotError) return error;
  return new EntrepotError("UPSTREAM_WRONG_LENGTH", "The upstream broke the connection midway.", { cause: error });
}
