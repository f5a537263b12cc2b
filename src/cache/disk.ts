import { fstatSync, read } from "node:fs";
import { mkdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Body } from "../core/body.ts";
import type { Clock } from "../core/clock.ts";
import { algorithmOf, type Digest, digestOf, isDigestOf } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";
import { MemoryBody } from "../core/memory-body.ts";
import { FileBody } from "./file-body.ts";
import { Hot } from "./hot.ts";
import { contentPath, spoolDirectory } from "./layout.ts";
import { Marks } from "./marks.ts";
import { OpenFile } from "./open-file.ts";
import { pieceBuffers } from "./pool.ts";
import { Proof } from "./proof.ts";
import { SerialByKey } from "./serial.ts";
import { pooledFiles, type SmallFiles } from "./small-files.ts";
import { closeFile, createFile, DiskSpool, moveInto, openFile, type SpoolHome, statFile, writeAll } from "./spool.ts";
import { isMark, isUntouched, type Stamp, stampOf } from "./stamp.ts";
import { newSpoolName, tidySpools } from "./tidy.ts";
import { errnoOf, Troubles } from "./trouble.ts";
import type { HotStore, Spool, Stored, StoreListener } from "./types.ts";
import { walkInThread } from "./walk-thread.ts";

export interface DiskStoreOptions {
  /** Root of the cache; made where it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Shared with what else uses the directory, so that one trouble is told once. */
  readonly troubles?: Troubles;
  readonly files?: SmallFiles;
  /** Bytes of small content kept in memory; 64 MiB unless given. */
  readonly hotBytes?: number;
  /** false: what earlier runs left is another process's to clear away. */
  readonly tidy?: boolean;
  /** What other processes that use the directory have proven; undefined where there are none. */
  readonly proofs?: SharedProofs;
  /** Files up to so many bytes are proven before their first byte is given; 64 MiB unless given. */
  readonly provenFirst?: number;
}

/** Large content is compared with its digest once for all processes of an instance. */
export interface SharedProofs {
  /** The stamp of its file when it was last found whole. Never rejects. */
  of(digest: Digest): Promise<Stamp | undefined>;
  add(digest: Digest, stamp: Stamp): void;
}

/** Content of at most this many bytes is read once and then kept in memory while it is used. */
const hotContent = 64 * 1024;
/** A manifest, whose size is bounded by what registries accept (OCI distribution 1.1 §"Pushing Manifests": 4 MiB), is kept up to this one. */
const hotPut = 1024 * 1024;
/** The time of a file is set to its last use this often at most, milliseconds. */
const markEvery = 600_000;

const readFile = promisify(read);

/**
 * Opens a cache directory, in cacache's format. Never rejects: a directory that cannot be used is told to the log, and then nothing is
 * found and writes reject with CACHE_IO.
 */
export async function openDiskStore(options: DiskStoreOptions): Promise<DiskStorage> {
  const troubles = options.troubles ?? new Troubles(options.log, options.clock);
  await mkdir(spoolDirectory(options.directory), { recursive: true }).catch((error: unknown) => {
    troubles.report("create its directory", error);
  });
  const removed = options.tidy === false ? 0 : await tidySpools(options.directory);
  if (removed > 0)
    options.log.info({ event: "cache-tidied", files: removed }, "Removed what an earlier run left unfinished.");
  return new DiskStore(options, troubles);
}

/** A store whose directory other processes use too. */
export interface DiskStorage extends HotStore {
  /** Another process dropped this content. */
  forget(digest: Digest): void;
  /** Before its process ends: brings to the disk what may wait until then. */
  close(): void;
  /** The spool that another process left behind, and the bytes that it has. Rejects with CACHE_IO. */
  openSpool(digest: Digest, path: string): Promise<{ readonly spool: Spool; readonly bytes: number }>;
}

class DiskStore implements DiskStorage {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #files: SmallFiles;
  readonly #hot: Hot;
  readonly #troubles: Troubles;
  readonly #marks: Marks;
  readonly #serial = new SerialByKey();
  readonly #listeners: StoreListener[] = [];
  /** Damaged, and still there. */
  readonly #condemned = new Set<Digest>();
  /** Of files that are being hashed. */
  readonly #proofs = new Map<Digest, Proof>();
  readonly #provenFirst: number;
  readonly #shared: SharedProofs | undefined;

  constructor(options: DiskStoreOptions, troubles: Troubles) {
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#files = options.files ?? pooledFiles;
    this.#hot = new Hot(options.hotBytes ?? 64 * 1024 * 1024);
    this.#troubles = troubles;
    this.#marks = new Marks(this.#files, troubles);
    this.#provenFirst = options.provenFirst ?? 64 * 1024 * 1024;
    this.#shared = options.proofs;
  }

  watch(listener: StoreListener): void {
    this.#listeners.push(listener);
  }

  hot(digest: Digest): Buffer | undefined {
    const bytes = this.#hot.content(digest);
    if (bytes !== undefined) this.#use(digest, bytes.length);
    return bytes;
  }

  async warm(digest: Digest, expected: number): Promise<void> {
    if (expected > hotContent || this.#hot.content(digest) !== undefined || this.#condemned.has(digest)) return;
    const before = this.#hot.known(digest);
    const file = await this.#files.read(contentPath(this.#directory, digest), hotContent).catch(() => undefined);
    if (file?.size !== expected || this.#hot.known(digest) !== before || !isDigestOf(digest, file.bytes)) return;
    this.#learn(digest, file);
    this.#hot.keep(digest, file.bytes);
  }

  async find(digest: Digest, size?: number): Promise<Body | undefined> {
    const bytes = this.hot(digest);
    if (bytes !== undefined) return new MemoryBody(bytes);
    if (this.#condemned.has(digest)) return undefined;
    const descriptor = await this.#open(digest);
    if (descriptor === undefined) return undefined;
    try {
      return await this.#body(digest, descriptor, size);
    } catch (error) {
      await closeFile(descriptor).catch(() => undefined);
      this.#troubles.report("read a blob", error);
      return undefined;
    }
  }

  async #open(digest: Digest): Promise<number | undefined> {
    const path = contentPath(this.#directory, digest);
    const before = this.#hot.known(digest);
    try {
      return await openFile(path, "r");
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") {
        this.#troubles.report("open a blob", error);
        return undefined;
      }
      const after = this.#hot.known(digest);
      // Adopted while we looked: without a second look, a request could find neither the flight, which has left, nor its content.
      if (after !== undefined && after !== before) return await openFile(path, "r").catch(() => undefined);
      this.#gone(digest);
      return undefined;
    }
  }

  /** The body of an opened file; undefined, with the file dropped, where its size is not what it has to be. */
  async #body(digest: Digest, descriptor: number, expected: number | undefined): Promise<Body | undefined> {
    // In this thread: opening it has just brought its facts into memory, and the way to the thread pool and back costs ten times the look.
    const stamp = fstatSync(descriptor);
    const { size } = stamp;
    const known = this.#hot.known(digest);
    const wanted = expected ?? known?.size;
    // A file of no bytes is what a power cut leaves of one that was renamed but not yet written out.
    if (
      (wanted !== undefined && wanted !== size) ||
      (size === 0 && digest !== digestOf(Buffer.alloc(0), algorithmOf(digest)))
    ) {
      await closeFile(descriptor);
      this.#drop(digest);
      return undefined;
    }
    this.#learn(digest, stamp);
    if (size > hotContent) return await this.#fileBody(digest, new OpenFile(descriptor), stamp);
    this.#use(digest, size);
    const bytes = Buffer.allocUnsafeSlow(size);
    const { bytesRead } = await readFile(descriptor, bytes, 0, size, 0);
    await closeFile(descriptor);
    if (bytesRead !== size || !isDigestOf(digest, bytes)) {
      this.#drop(digest);
      return undefined;
    }
    this.#hot.keep(digest, bytes);
    return new MemoryBody(bytes);
  }

  /** What a file's time tells, where nothing else is known. */
  #learn(digest: Digest, { size, mtimeMs }: Pick<Stamp, "size" | "mtimeMs">): void {
    if (this.#hot.known(digest) === undefined) this.#hot.learn(digest, { size, used: mtimeMs, marked: mtimeMs });
  }

  /** What was not compared with its digest by this instance, or was changed since, is proven first, or while it is read for the first time. */
  async #fileBody(digest: Digest, file: OpenFile, stamp: Stamp): Promise<Body | undefined> {
    const parts = { file, stamp, size: stamp.size, pool: pieceBuffers, damaged: () => this.#drop(digest) };
    if (isUntouched(this.#hot.known(digest)?.proven, stamp) || (await this.#provenElsewhere(digest, stamp))) {
      this.#use(digest, stamp.size);
      return new FileBody(parts);
    }
    const proof = this.#proofOf(digest, file, stamp);
    const body = new FileBody({ ...parts, proof });
    if (stamp.size > this.#provenFirst) return body;
    try {
      await body.proven();
      return body;
    } catch {
      body.close();
      return undefined;
    }
  }

  async #provenElsewhere(digest: Digest, stamp: Stamp): Promise<boolean> {
    const proven = await this.#shared?.of(digest);
    if (!isUntouched(proven, stamp)) return false;
    const known = this.#hot.known(digest);
    if (known !== undefined) known.proven = proven;
    return true;
  }

  /** One for all who read the file meanwhile. */
  #proofOf(digest: Digest, file: OpenFile, stamp: Stamp): Proof {
    const running = this.#proofs.get(digest);
    if (running !== undefined && !running.isOver && isUntouched(running.stamp, stamp)) return running;
    const proof = new Proof(file, stamp, digest, pieceBuffers, (verdict) => {
      if (this.#proofs.get(digest) === proof) this.#proofs.delete(digest);
      if (verdict === "whole") this.#proved(digest, stamp);
    });
    this.#proofs.set(digest, proof);
    return proof;
  }

  #proved(digest: Digest, stamp: Stamp): void {
    const known = this.#hot.known(digest);
    if (known?.size !== stamp.size) return;
    known.proven = stamp;
    this.#shared?.add(digest, stampOf(stamp));
    // From now on its time is ours, so that another change will show.
    if (!isMark(stamp)) known.marked = Number.NEGATIVE_INFINITY;
    this.#use(digest, stamp.size);
  }

  async stat(digest: Digest): Promise<Stored | undefined> {
    const known = this.#hot.known(digest);
    const bytes = this.#hot.content(digest);
    if (bytes !== undefined) return { digest, size: bytes.length, lastUsed: known?.used ?? this.#clock.now() };
    if (this.#condemned.has(digest)) return undefined;
    try {
      const { size, mtimeMs } = await stat(contentPath(this.#directory, digest));
      return { digest, size, lastUsed: Math.max(known?.used ?? 0, mtimeMs) };
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") this.#troubles.report("look at a blob", error);
      // Unless it was adopted while we looked.
      else if (this.#hot.known(digest) === known) this.#gone(digest);
      return undefined;
    }
  }

  forget(digest: Digest): void {
    this.#hot.forget(digest);
  }

  close(): void {
    this.#marks.close();
  }

  async createSpool(digest?: Digest): Promise<Spool> {
    const path = join(spoolDirectory(this.#directory), newSpoolName());
    try {
      return new DiskSpool(await createFile(path), path, this.#homeOf(digest), () => this.#clock.now());
    } catch (error) {
      throw this.#troubles.failure("create a file for a blob", error);
    }
  }

  async openSpool(digest: Digest, path: string): Promise<{ readonly spool: Spool; readonly bytes: number }> {
    try {
      const descriptor = await openFile(path, "r+");
      const { size } = await statFile(descriptor);
      const spool = new DiskSpool(descriptor, path, this.#homeOf(digest), () => this.#clock.now(), size);
      return { spool, bytes: size };
    } catch (error) {
      throw this.#troubles.failure("go on with the file of a blob", error);
    }
  }

  #homeOf(digest: Digest | undefined): SpoolHome {
    return {
      adopt: async (as: Digest | undefined, size: number, move: (target: string) => Promise<void>) => {
        const named = digest ?? as;
        if (named === undefined) throw this.#troubles.failure("name a blob", undefined);
        await this.#adopt(named, size, () => move(contentPath(this.#directory, named)));
      },
      failure: (action: string, error: unknown) => this.#troubles.failure(action, error),
    };
  }

  async put(digest: Digest, bytes: Buffer): Promise<void> {
    if (!isDigestOf(digest, bytes)) {
      throw new EntrepotError("UPSTREAM_WRONG_DIGEST", `What was to be stored as ${digest} is something else.`);
    }
    // Proven, so served from memory whatever the disk says. A copy: the caller's may be a part of a buffer that is used again.
    if (bytes.length <= hotPut) this.#hot.keep(digest, Buffer.from(bytes));
    const path = join(spoolDirectory(this.#directory), newSpoolName());
    let descriptor: number | undefined;
    try {
      descriptor = await createFile(path);
      if (bytes.length > 0) await writeAll(descriptor, [bytes], 0);
    } catch (error) {
      if (descriptor !== undefined) await unlink(path).catch(() => undefined);
      throw this.#troubles.failure("write a manifest", error);
    } finally {
      if (descriptor !== undefined) await closeFile(descriptor).catch(() => undefined);
    }
    await this.#adopt(digest, bytes.length, () =>
      moveInto(path, contentPath(this.#directory, digest), this.#clock.now()),
    ).catch(async (error: unknown) => {
      await unlink(path).catch(() => undefined);
      throw error;
    });
  }

  /** One after another for one digest, so that a removal and an adoption of it end as the ledger is told. */
  #adopt(digest: Digest, size: number, move: () => Promise<void>): Promise<void> {
    return this.#serial.run(digest, async () => {
      try {
        await move();
      } catch (error) {
        throw this.#troubles.failure("put a blob in its place", error);
      }
      this.#condemned.delete(digest);
      const now = this.#clock.now();
      const proven = await stat(contentPath(this.#directory, digest)).catch(() => undefined);
      this.#hot.learn(digest, { size, used: now, marked: now, ...(proven?.size === size && { proven }) });
      if (proven?.size === size && size > hotContent) this.#shared?.add(digest, stampOf(proven));
      for (const listener of this.#listeners) listener.used(digest, size, now);
    });
  }

  remove(digest: Digest): Promise<void> {
    return this.#serial.run(digest, async () => {
      this.#hot.forget(digest);
      try {
        await unlink(contentPath(this.#directory, digest));
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw this.#troubles.failure("remove a blob", error);
      }
      this.#gone(digest);
    });
  }

  async *list(signal: AbortSignal): AsyncIterable<Stored> {
    for await (const stored of walkInThread(this.#directory, signal, (error) =>
      this.#troubles.report("list its blobs", error),
    )) {
      const used = this.#hot.known(stored.digest)?.used ?? 0;
      yield used > stored.lastUsed ? { ...stored, lastUsed: used } : stored;
    }
  }

  #use(digest: Digest, size: number): void {
    const now = this.#clock.now();
    const known = this.#hot.known(digest);
    if (known === undefined) return;
    known.used = now;
    for (const listener of this.#listeners) listener.used(digest, size, now);
    if (now - known.marked < markEvery) return;
    known.marked = now;
    this.#marks.add(contentPath(this.#directory, digest), now);
  }

  /** Content that turned out damaged. */
  #drop(digest: Digest): void {
    this.#troubles.report("use a blob that is damaged on disk, which was dropped", undefined);
    void this.condemn(digest);
  }

  async condemn(digest: Digest): Promise<void> {
    this.#condemned.add(digest);
    // At once: whoever looks before it is removed must not find it by another way.
    this.#gone(digest);
    // A failure is told by the removal itself.
    await this.remove(digest).then(
      () => this.#condemned.delete(digest),
      () => false,
    );
  }

  #gone(digest: Digest): void {
    this.#hot.forget(digest);
    for (const listener of this.#listeners) listener.removed(digest);
  }
}
