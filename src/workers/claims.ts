/** What a piece of work came to. */
export type Settled = { readonly value: unknown } | { readonly error: unknown };

/** lead: do the work, and settle it. Otherwise somebody else did. */
export type Claim = { readonly lead: true } | { readonly lead: false; readonly settled: Settled };

interface Work<Worker> {
  owner: Worker;
  readonly waiting: { readonly worker: Worker; readonly answer: (claim: Claim) => void }[];
}

/** The primary's table of work that is done once for all who ask meanwhile, whichever worker they are at. */
export class Claims<Worker> {
  readonly #works = new Map<string, Work<Worker>>();

  get size(): number {
    return this.#works.size;
  }

  /** Resolves at once for the first; for others when the work is settled, or theirs to do. */
  claim(worker: Worker, key: string): Promise<Claim> {
    const work = this.#works.get(key);
    if (work === undefined) {
      this.#works.set(key, { owner: worker, waiting: [] });
      return Promise.resolve({ lead: true });
    }
    return new Promise((answer) => work.waiting.push({ worker, answer }));
  }

  settle(worker: Worker, key: string, settled: Settled): void {
    const work = this.#works.get(key);
    if (work?.owner !== worker) return;
    this.#works.delete(key);
    for (const { answer } of work.waiting) answer({ lead: false, settled });
  }

  /** The owner gives it up, for nobody of his needs it: the next one does it. */
  abandon(worker: Worker, key: string): void {
    const work = this.#works.get(key);
    if (work?.owner !== worker) return;
    const next = work.waiting.shift();
    if (next === undefined) {
      this.#works.delete(key);
      return;
    }
    work.owner = next.worker;
    next.answer({ lead: true });
  }

  /** A worker is gone. */
  died(worker: Worker): void {
    for (const [key, work] of this.#works) {
      for (let index = work.waiting.length - 1; index >= 0; index -= 1) {
        if (work.waiting[index]?.worker === worker) work.waiting.splice(index, 1);
      }
      if (work.owner === worker) this.abandon(worker, key);
    }
  }
}
