import { LRUCache } from "lru-cache";

/**
 * Facts by key, bounded: what was not looked at for longest is given up first. The processes of an instance may share them; values are plain data
 * then, and what another process set is seen a moment later.
 */
export interface SharedMap<V extends {}> {
  get(key: string): V | undefined;
  /** Likewise, but it does not count as a look. */
  peek(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): void;
  entries(): Iterable<[string, V]>;
  /** Resolves when every process of the instance knows what was set and deleted here so far. */
  settled(): Promise<void>;
}

/** Gives the map of that name, with room for `max` entries. A name is asked for once. */
export type Share = <V extends {}>(name: string, max: number) => SharedMap<V>;

/** Maps of this process alone. */
export const ownMaps: Share = <V extends {}>(_name: string, max: number): SharedMap<V> => {
  const entries = new LRUCache<string, V>({ max });
  return {
    get: (key) => entries.get(key),
    peek: (key) => entries.peek(key),
    set: (key, value) => void entries.set(key, value),
    delete: (key) => void entries.delete(key),
    entries: () => entries.entries(),
    settled: () => Promise.resolve(),
  };
};
