/** Runs work for one key after another, and for different keys at once. */
export class SerialByKey {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Whether work for a key is under way or waits. */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const result = before === undefined ? work() : before.then(work, work);
    // The tail settles after the result, and never rejects: nobody listens to it.
    const tail: Promise<void> = result.then(
      () => this.#forget(key, tail),
      () => this.#forget(key, tail),
    );
    this.#tails.set(key, tail);
    return result;
  }

  #forget(key: string, tail: Promise<void>): void {
    if (this.#tails.get(key) === tail) this.#tails.delete(key);
  }
}
