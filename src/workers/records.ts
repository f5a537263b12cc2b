import { LRUCache } from "lru-cache";
import type { CacheRecord, HotRecords } from "../cache/types.ts";
import type { Changed, Versioned } from "./protocol.ts";

/** The way to the records of the primary. `first` sees the answer before any word of a later change to the key. */
export interface RecordsPort {
  get(key: string, first: (answer: Versioned) => void): Promise<unknown>;
  put(key: string, record: CacheRecord, first: (answer: Changed) => void): Promise<Changed>;
  delete(key: string, first: (answer: Changed) => void): Promise<Changed>;
}

/**
 * Records as a worker has them: in memory those that it asked for, kept right by the primary, which alone writes the index and says what
 * changed. A key in use costs no message.
 */
export class WorkerRecords implements HotRecords {
  readonly #port: RecordsPort;
  readonly #memory: LRUCache<string, Versioned>;
  readonly #loading = new Map<string, Promise<unknown>>();

  /** `keys`: remembered at most. */
  constructor(port: RecordsPort, keys = 50_000) {
    this.#port = port;
    this.#memory = new LRUCache({ max: keys });
  }

  hot(key: string): CacheRecord | undefined {
    return this.#memory.get(key)?.record;
  }

  async get(key: string): Promise<CacheRecord | undefined> {
    const kept = this.#memory.get(key);
    if (kept !== undefined) return kept.record;
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#port.get(key, (answer) => this.#learn(key, answer)).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    // Where the primary is gone, this worker is about to be.
    await loading.catch(() => undefined);
    return this.#memory.get(key)?.record;
  }

  async put(key: string, record: CacheRecord): Promise<void> {
    this.#set(key, record);
    const { failed } = await this.#port.put(key, record, ({ version }) => this.#learn(key, { record, version }));
    if (failed !== undefined) throw failed;
  }

  async delete(key: string): Promise<void> {
    this.#set(key, undefined);
    const gone = undefined;
    const { failed } = await this.#port.delete(key, ({ version }) => this.#learn(key, { record: gone, version }));
    if (failed !== undefined) throw failed;
  }

  /** What another worker made of a key. */
  changed(key: string, now: Versioned): void {
    if (this.#memory.has(key)) this.#learn(key, now);
  }

  /** The primary no longer says when this key changes. */
  forget(key: string): void {
    this.#memory.delete(key);
  }

  /** At once, before the primary has put it in order with what others set. */
  #set(key: string, record: CacheRecord | undefined): void {
    this.#memory.set(key, { record, version: this.#memory.peek(key)?.version ?? 0 });
  }

  #learn(key: string, { record, version }: Versioned): void {
    if ((this.#memory.peek(key)?.version ?? 0) <= version) this.#memory.set(key, { record, version });
  }
}
