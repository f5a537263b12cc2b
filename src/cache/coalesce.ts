import { EntrepotError } from "../core/errors.ts";

/**
 * One piece of work at a time for a key; whoever asks meanwhile gets its result. A caller that aborts leaves the work to the others; it
 * is aborted when nobody is left, and the next caller then starts anew.
 */
export class Coalescer<T> {
  readonly #shared = new Map<string, Shared<T>>();

  /** Keys being worked on. */
  get size(): number {
    return this.#shared.size;
  }

  /** Rejects with what `work` rejected with, or with CANCELLED when `signal` is aborted. `work` gets the signal of all callers together. */
  async run(key: string, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) throw cancelled();
    const shared = this.#shared.get(key) ?? this.#start(key, work);
    shared.callers += 1;
    if (signal === undefined) return await shared.result;
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = (): void => {
      this.#leave(key, shared);
      reject(cancelled());
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([shared.result, promise]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Shared<T> {
    const controller = new AbortController();
    const result = new Promise<T>((resolve) => {
      resolve(work(controller.signal));
    });
    const shared: Shared<T> = { result, controller, callers: 0 };
    this.#shared.set(key, shared);
    const forget = (): void => this.#forget(key, shared);
    // Also the listener that a rejection finds when every caller has left.
    result.then(forget, forget);
    return shared;
  }

  #leave(key: string, shared: Shared<T>): void {
    shared.callers -= 1;
    if (shared.callers > 0) return;
    this.#forget(key, shared);
    shared.controller.abort();
  }

  #forget(key: string, shared: Shared<T>): void {
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
  }
}

interface Shared<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  callers: number;
}

function cancelled(): EntrepotError {
  return new EntrepotError("CANCELLED", "The client went away.");
}
