import { randomUUID } from "node:crypto";
import { readFileSync, unlinkSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { EntrepotError } from "../core/errors.ts";
import { type Beacon, clearBeacons, isLit, raiseBeacon } from "./beacon.ts";
import { lives, spaceOf, startOf } from "./process.ts";
import { errnoOf } from "./trouble.ts";

export interface LockOptions {
  /** Root of the cache; made where it is missing. */
  readonly directory: string;
  /** Workers of one instance share its directory, and this; one of its own unless given. */
  readonly instance?: string;
  /** What to reject with where process `pid` has it; for a directory that is not the cache's. */
  readonly inUse?: (pid: number) => EntrepotError;
  /** What the machine or container is called, for who is refused; its host name unless given. */
  readonly host?: string;
}

/** That this instance, and nobody else, keeps the directory in order. */
export interface DirectoryLock {
  /** Puts the lock back where somebody wiped the directory. Never rejects. */
  renew(): Promise<void>;
  /** Synchronous: when the program says that it has stopped, the next one may start. Never throws. */
  release(): void;
}

interface Holder {
  readonly pid: number;
  /** What the system says of the start of the process; a number is given to another process in time. */
  readonly started: string | undefined;
  readonly instance: string;
  /** Where its number holds (pid_namespaces(7)). */
  readonly space: string | undefined;
  readonly host: string | undefined;
  /** Of its socket in the directory. */
  readonly beacon: string | undefined;
}

/** In the root of the cache. */
export const lockName = "entrepot.lock";

/**
 * Takes the cache directory for this instance. Rejects with CONFIG_INVALID, naming the other's pid, where another one that lives has it, in
 * another container too. A lock whose process is gone is taken over. A directory that takes no file is not locked: whoever cannot write
 * there does no harm.
 */
export async function lockDirectory(options: LockOptions): Promise<DirectoryLock> {
  const lock = new Lock(options, await startOf(process.pid), await spaceOf());
  await lock.take();
  return lock;
}

class Lock implements DirectoryLock {
  readonly #directory: string;
  readonly #path: string;
  readonly #instance: string;
  readonly #self: object;
  readonly #space: string | undefined;
  readonly #refuse: (holder: Holder) => EntrepotError;
  #beacon: Beacon | undefined;
  #text = "";
  #owned = false;

  constructor(options: LockOptions, started: string | undefined, space: string | undefined) {
    const { directory, instance = randomUUID(), host = hostname() } = options;
    this.#directory = directory;
    this.#path = join(directory, lockName);
    this.#instance = instance;
    this.#space = space;
    this.#self = { pid: process.pid, started, instance, space, host };
    const { inUse: refusal } = options;
    this.#refuse = (holder) => refusal?.(holder.pid) ?? inUse(directory, holder, space);
  }

  /** Rejects where another instance has it. Not ours, and no error: another worker of the instance has it, or the disk takes none. */
  async take(): Promise<void> {
    if (this.#beacon?.isThere !== true) {
      this.#beacon?.close();
      // Before the lock: who finds the one is to find the other.
      this.#beacon = await raiseBeacon(this.#directory);
      this.#text = JSON.stringify({ ...this.#self, beacon: this.#beacon?.name });
    }
    try {
      this.#owned = await this.#try();
    } finally {
      if (!this.#owned) this.#beacon?.close();
    }
    if (this.#owned) await clearBeacons(this.#directory);
  }

  async #try(): Promise<boolean> {
    for (let round = 0; round < 10; round += 1) {
      const made = await create(this.#path, this.#text);
      if (made !== "exists") return made === "made";
      const text = await readText(this.#path);
      if (text === undefined) continue;
      const holder = parse(text);
      if (text === this.#text || holder?.instance === this.#instance) {
        if (text === this.#text || holder?.pid !== process.pid) return text === this.#text;
      } else if (holder !== undefined && (await this.#lives(holder))) throw this.#refuse(holder);
      await retire(this.#path, text);
    }
    return false;
  }

  async #lives(holder: Holder): Promise<boolean> {
    const { space, beacon } = holder;
    const isNear = space === undefined || this.#space === undefined || space === this.#space;
    if (isNear) return lives(holder.pid, holder.started);
    return beacon !== undefined && (await isLit(this.#directory, beacon));
  }

  async renew(): Promise<void> {
    if (this.#owned) await this.take().catch(() => undefined);
  }

  release(): void {
    this.#beacon?.close();
    try {
      if (this.#owned && readFileSync(this.#path, "utf8") === this.#text) unlinkSync(this.#path);
    } catch {
      // Wiped, or read-only by now: a lock of a process that is gone binds nobody.
    }
  }
}

/** With its content from the first moment: what is linked is whole. */
async function create(path: string, text: string): Promise<"made" | "exists" | "impossible"> {
  const draft = `${path}.${randomUUID()}`;
  try {
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(draft, text, { flag: "wx" });
    await link(draft, path);
    return "made";
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EEXIST") return "exists";
    // File systems without links: whole soon enough.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") return "impossible";
    return await writeFile(path, text, { flag: "wx" }).then(
      () => "made" as const,
      (again: unknown) => (errnoOf(again) === "EEXIST" ? "exists" : "impossible"),
    );
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

/** Takes a dead lock away. Aside first: meanwhile another process may have put its own there, which then has to go back. */
async function retire(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readText(aside)) !== dead) await link(aside, path);
  } catch {
    // Another one was faster.
  }
  await rm(aside, { force: true }).catch(() => undefined);
}

async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(() => undefined);
}

function parse(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("pid" in value) || !("instance" in value)) return undefined;
    const { pid, instance } = value;
    if (typeof pid !== "number" || typeof instance !== "string") return undefined;
    const more: Record<string, unknown> = { ...value };
    const word = (name: string): string | undefined => {
      const given = more[name];
      return typeof given === "string" ? given : undefined;
    };
    return {
      pid,
      instance,
      started: word("started"),
      space: word("space"),
      host: word("host"),
      beacon: word("beacon"),
    };
  } catch {
    return undefined;
  }
}

function inUse(directory: string, { pid, space, host }: Holder, here: string | undefined): EntrepotError {
  const where = space === here || host === undefined ? "" : ` of ${host}, which is another container or machine`;
  return new EntrepotError(
    "CONFIG_INVALID",
    `CACHE_DIR: ${directory} is in use by another proxy, process ${pid}${where}. Stop that one, or give this one a directory of its own.`,
  );
}
