import { LRUCache } from "lru-cache";

/** Which workers may have a key in memory, so that only these are told of its changes. Bounded. */
export class Readers<Worker> {
  readonly #keys: LRUCache<string, Set<Worker>>;

  /** `forgotten`: these workers are not told of the key's changes any more. */
  constructor(max: number, forgotten: (key: string, workers: Iterable<Worker>) => void) {
    this.#keys = new LRUCache<string, Set<Worker>>({
      max,
      dispose: (workers, key, reason) => {
        if (reason === "evict") forgotten(key, workers);
      },
    });
  }

  note(key: string, worker: Worker): void {
    const workers = this.#keys.get(key);
    if (workers === undefined) this.#keys.set(key, new Set([worker]));
    else workers.add(worker);
  }

  /** All but the one who knows. */
  others(key: string, worker?: Worker): Worker[] {
    return [...(this.#keys.get(key) ?? [])].filter((one) => one !== worker);
  }

  died(worker: Worker): void {
    for (const workers of this.#keys.values()) workers.delete(worker);
  }
}
