import { LRUCache } from "lru-cache";
import type { Share, SharedMap } from "../core/shared-map.ts";

/** What became of a key of a map: its value, or undefined for deleted. `max`: entries that the map has room for. */
export type Change = readonly [map: string, max: number, key: string, value: unknown];

/** Every entry of every map, as a process that starts is given them. */
export type Snapshot = readonly Change[];

/** The copies of the maps that one process has. Reading costs no message. */
export class Copies {
  readonly #maps = new Map<string, LRUCache<string, {}>>();

  map(name: string, max: number): LRUCache<string, {}> {
    let map = this.#maps.get(name);
    if (map === undefined) this.#maps.set(name, (map = new LRUCache({ max })));
    return map;
  }

  apply(changes: readonly Change[]): void {
    for (const [name, max, key, value] of changes) {
      const map = this.map(name, max);
      if (value === undefined || value === null) map.delete(key);
      else map.set(key, value);
    }
  }

  snapshot(): Snapshot {
    return [...this.#maps].flatMap(([name, map]) =>
      // Least recently used first, so that the order stays.
      [...map.entries()].toReversed().map(([key, value]): Change => [name, map.max, key, value]),
    );
  }
}

/** Tells the others what changed; resolves when all of them know. Never rejects. */
export type Publish = (changes: readonly Change[]) => Promise<void>;

/**
 * Maps of which every process of an instance has a copy. The last to set a key wins. What is set in one turn goes out in one message.
 */
export function sharedMaps(copies: Copies, publish: Publish): Share {
  let waiting: Change[] = [];
  let told: Promise<void> = Promise.resolve();
  const flush = (): void => {
    if (waiting.length === 0) return;
    const changes = waiting;
    waiting = [];
    const before = told;
    const now = publish(changes);
    told = before.then(() => now);
  };
  const changed = (change: Change): void => {
    waiting.push(change);
    if (waiting.length === 1) queueMicrotask(flush);
  };
  return <V extends {}>(name: string, max: number): SharedMap<V> => {
    const map = copies.map(name, max) as unknown as LRUCache<string, V>;
    return {
      get: (key) => map.get(key),
      peek: (key) => map.peek(key),
      set: (key, value) => {
        map.set(key, value);
        changed([name, max, key, value]);
      },
      delete: (key) => {
        if (map.delete(key)) changed([name, max, key, undefined]);
      },
      entries: () => map.entries(),
      settled: () => {
        flush();
        return told;
      },
    };
  };
}
