import { access, constants, rm, stat } from "node:fs/promises";
import { index as cacacheIndex } from "cacache";
import { LRUCache } from "lru-cache";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { algorithmOf, type Digest, integrityOf, parseDigest } from "../core/digest.ts";
import type { Log } from "../observe/log.ts";
import { entryOf } from "./index-entry.ts";
import { indexPath } from "./layout.ts";
import { SerialByKey } from "./serial.ts";
import { pooledFiles, type SmallFiles } from "./small-files.ts";
import { errnoOf, Troubles } from "./trouble.ts";
import type { CacheRecord, CacheVariant, HotRecords } from "./types.ts";

export interface RecordsOptions {
  /** Root of the cache. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Shared with what else uses the directory, so that one trouble is told once. */
  readonly troubles?: Troubles;
  readonly files?: SmallFiles;
  /** Keys remembered in memory, those that are absent included; 50,000 unless given. */
  readonly keys?: number;
}

export interface DiskRecords extends HotRecords {
  /** Drops a record if it is still about that digest. */
  deleteAbout(key: string, digest: Digest): Promise<void>;
}

/**
 * A confirmation alone is written to disk when it is this much younger than the written one, in milliseconds. What a restart loses is one
 * HEAD earlier than needed; what it spares is a write for each pull of a tag that is revalidated every time.
 */
const checkedEvery = 3_600_000;
/** A file of the index is appended to; at this many bytes (some 40 writes) its past is cut off. */
const bucketLimit = 16 * 1024;

interface Kept {
  readonly record: CacheRecord | undefined;
  /** What is on disk. */
  readonly written: CacheRecord | undefined;
}

/** Records in cacache's index, with memory in front: a key that is in use costs no file read. */
export function openRecords(options: RecordsOptions): DiskRecords {
  return new IndexRecords(options);
}

class IndexRecords implements DiskRecords {
  readonly #directory: string;
  readonly #memory: LRUCache<string, Kept>;
  readonly #loading = new Map<string, Promise<CacheRecord | undefined>>();
  readonly #serial = new SerialByKey();
  readonly #troubles: Troubles;
  readonly #files: SmallFiles;

  constructor(options: RecordsOptions) {
    this.#files = options.files ?? pooledFiles;
    this.#directory = options.directory;
    this.#memory = new LRUCache({ max: options.keys ?? 50_000 });
    this.#troubles = options.troubles ?? new Troubles(options.log, options.clock);
  }

  hot(key: string): CacheRecord | undefined {
    return this.#memory.get(key)?.record;
  }

  async get(key: string): Promise<CacheRecord | undefined> {
    const kept = this.#memory.get(key);
    if (kept !== undefined) return kept.record;
    const under = this.#loading.get(key);
    if (under !== undefined) return await under;
    const loading = this.#load(key);
    this.#loading.set(key, loading);
    try {
      return await loading;
    } finally {
      this.#loading.delete(key);
    }
  }

  async #load(key: string): Promise<CacheRecord | undefined> {
    let record: CacheRecord | undefined;
    try {
      record = await this.#read(key);
    } catch (error) {
      // Not remembered as absent: the next look may do better.
      this.#troubles.report("read its index", error);
      return this.#memory.get(key)?.record;
    }
    // A put that came meanwhile knows better.
    const kept = this.#memory.get(key);
    if (kept !== undefined) return kept.record;
    this.#memory.set(key, { record, written: record });
    return record;
  }

  async #read(key: string): Promise<CacheRecord | undefined> {
    const file = await this.#files.read(indexPath(this.#directory, key)).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    });
    const entry = file && entryOf(file.bytes.toString("utf8"), key);
    return entry && parseRecord(entry.integrity, entry.size, entry.metadata);
  }

  async put(key: string, record: CacheRecord): Promise<void> {
    const written = this.#memory.get(key)?.written;
    this.#memory.set(key, { record, written });
    if (isOnDisk(record, written) && !this.#serial.busy(key)) return;
    await this.#serial.run(key, () => this.#write(key, record));
  }

  /** Brings what memory has to the disk; `put` is what it had when this was asked for. */
  async #write(key: string, put: CacheRecord): Promise<void> {
    const { record, written } = this.#memory.get(key) ?? { record: put, written: undefined };
    if (record === undefined || isOnDisk(record, written)) return;
    const { digest, size, ...metadata } = record;
    const insert = (): Promise<unknown> =>
      cacacheIndex.insert(this.#directory, key, integrityOf(digest), { size, metadata });
    try {
      // It resolves with nothing where the directory was wiped between its two steps.
      if (((await insert()) ?? (await insert())) === undefined) {
        // And where a directory cannot be made on a read-only file system: this says so.
        await access(this.#directory, constants.W_OK);
        throw new Error("The directory of the index vanished.");
      }
      this.#learn(key, record);
      await this.#compact(key);
    } catch (error) {
      throw this.#troubles.failure("write its index", error);
    }
  }

  #learn(key: string, written: CacheRecord | undefined): void {
    const kept = this.#memory.get(key);
    if (kept !== undefined) this.#memory.set(key, { record: kept.record, written });
  }

  async #compact(key: string): Promise<void> {
    const { size } = await stat(indexPath(this.#directory, key));
    if (size <= bucketLimit) return;
    await cacacheIndex.compact(this.#directory, key, (one, other) => one.key === other.key);
  }

  async delete(key: string): Promise<void> {
    this.#memory.set(key, { record: undefined, written: undefined });
    await this.#serial.run(key, async () => {
      try {
        await rm(indexPath(this.#directory, key), { force: true });
        // A put that came after the delete stands, and its write is next in line.
        this.#learn(key, undefined);
      } catch (error) {
        throw this.#troubles.failure("remove from its index", error);
      }
    });
  }

  async deleteAbout(key: string, digest: Digest): Promise<void> {
    await this.#serial.run(key, async () => {
      const record = await this.#read(key).catch(() => undefined);
      const kept = this.#memory.peek(key);
      if (record?.digest !== digest || (kept?.record !== undefined && kept.record.digest !== digest)) return;
      this.#memory.delete(key);
      await rm(indexPath(this.#directory, key), { force: true }).catch((error: unknown) => {
        this.#troubles.report("remove from its index", error);
      });
    });
  }
}

/** Whether the disk's record is the same but for a confirmation that is little younger. */
function isOnDisk(record: CacheRecord, written: CacheRecord | undefined): boolean {
  return (
    written !== undefined && isSame(record, written) && isSameVariants(record.variants ?? {}, written.variants ?? {})
  );
}

function isSame(one: CacheVariant, other: CacheVariant): boolean {
  return (
    one.digest === other.digest &&
    one.mediaType === other.mediaType &&
    one.size === other.size &&
    Math.abs(one.checked - other.checked) < checkedEvery
  );
}

function isSameVariants(record: CacheRecord["variants"] & object, written: CacheRecord["variants"] & object): boolean {
  const names = Object.keys(record);
  return (
    names.length === Object.keys(written).length &&
    names.every((name) => {
      const [one, other] = [record[name], written[name]];
      return one !== undefined && other !== undefined && isSame(one, other);
    })
  );
}

const variantShape = z.object({
  digest: z.string().transform((text, context) => parseDigest(text) ?? context.addIssue("no digest")),
  mediaType: z.string(),
  size: z.number(),
  checked: z.number(),
});
const metadataShape = z.object({
  mediaType: z.string(),
  checked: z.number(),
  variants: z.record(z.string(), variantShape).optional(),
});

/** What an entry of the index says, if it is one of ours and whole: others may share the directory's format. */
export function parseRecord(integrity: string, size: number | undefined, metadata: unknown): CacheRecord | undefined {
  const digest = parseIntegrity(integrity);
  const parsed = metadataShape.safeParse(metadata);
  if (digest === undefined || size === undefined || !parsed.success) return undefined;
  const { mediaType, checked, variants } = parsed.data;
  return {
    digest,
    mediaType,
    size,
    checked,
    ...(variants && { variants: variants as NonNullable<CacheRecord["variants"]> }),
  };
}

export function parseIntegrity(integrity: string): Digest | undefined {
  const dash = integrity.indexOf("-");
  const digest = parseDigest(
    `${integrity.slice(0, dash)}:${Buffer.from(integrity.slice(dash + 1), "base64").toString("hex")}`,
  );
  return digest !== undefined && integrity.startsWith(algorithmOf(digest)) ? digest : undefined;
}
