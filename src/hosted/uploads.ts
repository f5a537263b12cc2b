import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, rmdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { startOf } from "../cache/process.ts";
import { openFile, statFile } from "../cache/spool.ts";
import { errnoOf } from "../cache/trouble.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { isOlder } from "./durable.ts";
import { type Holder, holderFile, isAlive, mark, parseHolder } from "./holder.ts";
import { hashOf } from "./layout.ts";
import { RunningHash } from "./running-hash.ts";
import { Upload } from "./upload.ts";

export interface UploadsParts {
  readonly directory: string;
  readonly clock: Clock;
  /** Milliseconds without a byte after which an upload is forgotten. */
  readonly ttl: number;
  /** Of this process's number; undefined where the system does not say. */
  readonly spaceOf: () => Promise<string | undefined>;
  /** Milliseconds that a request waits for another process to let go of an upload. */
  readonly patience?: number;
}

/** The file of an upload that nobody writes to. */
const idle = "data";
const rememberedHashes = 1000;
/** Milliseconds without a byte after which another container's process, which cannot be seen, counts as gone: no request is silent for so long. */
const silence = 10 * 60_000;
/** Milliseconds between two looks at an upload that another process holds. */
const pause = 50;

/**
 * Uploads in progress: a directory each, with one file that holds what was received. Who writes to it has renamed it to a name of its own, so
 * that no two processes do, and what is handed on as proven has no writer left; a dead process's is taken over. The length of the file is the
 * upload's offset.
 */
export class Uploads {
  readonly #parts: UploadsParts;
  readonly #me: Promise<Holder>;
  readonly #held = new Map<string, Upload>();
  readonly #hashes = new LRUCache<string, RunningHash>({ max: rememberedHashes });
  #closed = false;

  constructor(parts: UploadsParts) {
    this.#parts = parts;
    const { pid } = process;
    const instance = randomBytes(6).toString("hex");
    this.#me = Promise.all([startOf(pid), parts.spaceOf()]).then(([started, space]) => {
      return { pid, started: mark(started), space: mark(space), instance };
    });
  }

  /** Begins one; resolves with its session. */
  async create(repository: string): Promise<string> {
    const session = randomUUID();
    const folder = this.#folder(repository, session);
    await mkdir(folder).catch((error: unknown) => {
      // Somebody wiped the directory above it.
      if (errnoOf(error) !== "ENOENT") throw error;
      return mkdir(folder, { recursive: true });
    });
    const path = join(folder, idle);
    await writeFile(path, "", { flag: "wx" });
    await this.#date(path);
    return session;
  }

  /** Bytes received. Rejects with BLOB_UPLOAD_UNKNOWN. */
  async size(repository: string, session: string): Promise<number> {
    const folder = this.#folder(repository, session);
    // It may be renamed between the two looks.
    for (let round = 0; round < 10; round += 1) {
      const file = await fileOf(folder);
      if (file === undefined) break;
      const found = await stat(join(folder, file)).catch(() => undefined);
      if (found !== undefined) return found.size;
    }
    throw unknown();
  }

  /**
   * Takes an upload for writing. A request of this process that still has it is interrupted, since its client has given up on it; another
   * process's is waited for. Rejects with BLOB_UPLOAD_UNKNOWN, with BLOB_UPLOAD_INVALID where it stays taken, and with CANCELLED.
   */
  async claim(repository: string, session: string, signal: AbortSignal): Promise<Upload> {
    const folder = this.#folder(repository, session);
    const upload = await this.#claim(folder, await this.#me, signal);
    if (upload === undefined) throw unknown();
    return upload;
  }

  /** Forgets one. Rejects with BLOB_UPLOAD_UNKNOWN. */
  async cancel(repository: string, session: string, signal: AbortSignal): Promise<void> {
    const upload = await this.claim(repository, session, signal);
    await upload.discard();
  }

  /** Forgets those that were idle for too long. Resolves with their number. */
  async sweep(signal: AbortSignal): Promise<number> {
    const { directory, clock, ttl } = this.#parts;
    const before = clock.now() - ttl;
    const me = await this.#me;
    let removed = 0;
    for (const name of await readdir(directory).catch(() => [])) {
      if (signal.aborted) break;
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const folder = join(directory, name);
      const file = await fileOf(folder);
      if (!(await isOlder(file === undefined ? folder : join(folder, file), before).catch(() => false))) continue;
      if (file === undefined) {
        await rmdir(folder).catch(() => undefined);
        continue;
      }
      const holder = parseHolder(file);
      if (holder !== undefined && (await this.#isAlive(holder, me, join(folder, file)))) continue;
      const mine = join(folder, holderFile(me));
      if (!(await renamed(join(folder, file), mine))) continue;
      if (await isOlder(mine, before)) {
        await rm(folder, { recursive: true, force: true });
        removed += 1;
      } else await renamed(mine, join(folder, idle));
    }
    return removed;
  }

  /** Interrupts what is being written, and waits until its files are let go. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#held.values()].map((upload) => upload.interrupt()));
  }

  async #claim(folder: string, me: Holder, signal: AbortSignal): Promise<Upload | undefined> {
    const { patience = 5000 } = this.#parts;
    const mine = join(folder, holderFile(me));
    const until = performance.now() + patience;
    for (;;) {
      if (signal.aborted) throw new EntrepotError("CANCELLED", "The client went away during its upload.");
      if (this.#closed) throw new EntrepotError("STOPPING", "This registry is stopping; try again in a moment.");
      if (await renamed(join(folder, idle), mine)) return await this.#open(folder, mine);
      const file = await fileOf(folder);
      if (file === undefined) return undefined;
      const holder = parseHolder(file);
      if (holder === undefined) continue;
      const held = holder.instance === me.instance ? this.#held.get(folder) : undefined;
      if (held !== undefined) {
        await held.interrupt();
        continue;
      }
      if (!(await this.#isAlive(holder, me, join(folder, file)))) {
        if (await renamed(join(folder, file), mine)) return await this.#open(folder, mine);
      } else if (performance.now() > until) {
        throw new EntrepotError(
          "BLOB_UPLOAD_INVALID",
          "Another request is writing to this upload; ask for its status, and go on from there.",
          { status: 409 },
        );
      }
      await delay(pause);
    }
  }

  async #isAlive(holder: Holder, me: Holder, path: string): Promise<boolean> {
    if (holder.instance === me.instance) return true;
    if (holder.space === me.space) return await isAlive(holder);
    const { clock, ttl } = this.#parts;
    return !(await isOlder(path, clock.now() - Math.min(ttl, silence)).catch(() => false));
  }

  async #open(folder: string, path: string): Promise<Upload> {
    const letGo = async (): Promise<void> => void (await renamed(path, join(folder, idle)));
    const descriptor = await openFile(path, "r+").catch(async (error: unknown) => {
      await letGo();
      throw error;
    });
    const { size } = await statFile(descriptor);
    const hash = this.#hashes.get(folder) ?? new RunningHash();
    this.#hashes.delete(folder);
    const upload = new Upload({
      descriptor,
      path,
      size,
      hash,
      release: async () => {
        await this.#date(path);
        this.#hashes.set(folder, hash);
        this.#held.delete(folder);
        await letGo();
      },
      forget: async () => {
        this.#held.delete(folder);
        await rm(folder, { recursive: true, force: true });
      },
    });
    this.#held.set(folder, upload);
    return upload;
  }

  async #date(path: string): Promise<void> {
    const now = this.#parts.clock.now() / 1000;
    await utimes(path, now, now).catch(() => undefined);
  }

  #folder(repository: string, session: string): string {
    return join(this.#parts.directory, hashOf(`${repository}\n${session}`));
  }
}

/** The one file of an upload; undefined where there is none. */
async function fileOf(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  return names.find((name) => name === idle || parseHolder(name) !== undefined);
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return false;
  }
}

function unknown(): EntrepotError {
  return new EntrepotError(
    "BLOB_UPLOAD_UNKNOWN",
    "There is no such upload here, or it was idle for too long; begin another one.",
  );
}
