import { randomUUID } from "node:crypto";
import { readFileSync, unlinkSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EntrepotError } from "../core/errors.ts";
import { errnoOf } from "./trouble.ts";

export interface LockOptions {
  /** Root of the cache; made where it is missing. */
  readonly directory: string;
  /** Workers of one instance share its directory, and this; one of its own unless given. */
  readonly instance?: string;
  /** What to reject with where process `pid` has it; for a directory that is not the cache's. */
  readonly inUse?: (pid: number) => EntrepotError;
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
}

/** In the root of the cache. */
export const lockName = "entrepot.lock";

/**
 * Takes the cache directory for this instance. Rejects with CONFIG_INVALID, naming the other's pid, where another one that lives has it.
 * A lock whose process is gone is taken over. A directory that takes no file is not locked: whoever cannot write there does no harm.
 */
export async function lockDirectory(options: LockOptions): Promise<DirectoryLock> {
  const { directory, instance = randomUUID() } = options;
  const path = join(directory, lockName);
  const refuse = options.inUse ?? ((pid: number) => inUse(path, pid));
  const mine = JSON.stringify({ pid: process.pid, started: await startOf(process.pid), instance });
  const owned = await take(path, mine, instance, refuse);
  return {
    async renew() {
      if (owned) await take(path, mine, instance, refuse).catch(() => undefined);
    },
    release() {
      try {
        if (owned && readFileSync(path, "utf8") === mine) unlinkSync(path);
      } catch {
        // Wiped, or read-only by now: a lock of a process that is gone binds nobody.
      }
    },
  };
}

/** Whether the lock is ours now; false where another worker of the instance has it, or the disk takes none. */
async function take(
  path: string,
  mine: string,
  instance: string,
  refuse: (pid: number) => EntrepotError,
): Promise<boolean> {
  for (let round = 0; round < 10; round += 1) {
    const made = await create(path, mine);
    if (made !== "exists") return made === "made";
    const text = await readText(path);
    if (text === undefined) continue;
    const holder = parse(text);
    if (text === mine || holder?.instance === instance) return text === mine;
    if (holder !== undefined && (await lives(holder))) throw refuse(holder.pid);
    await retire(path, text);
  }
  return false;
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
    const started = "started" in value && typeof value.started === "string" ? value.started : undefined;
    return typeof pid === "number" && typeof instance === "string" ? { pid, started, instance } : undefined;
  } catch {
    return undefined;
  }
}

async function lives({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) !== "EPERM") return false;
  }
  const now = await startOf(pid);
  return started === undefined || now === undefined || now === started;
}

/** proc_pid_stat(5), field 22, and the boot that it counts from; undefined where there is no /proc. */
export async function startOf(pid: number): Promise<string | undefined> {
  const [stat, boot] = await Promise.all([readText(`/proc/${pid}/stat`), readText("/proc/sys/kernel/random/boot_id")]);
  // The name of the program stands in parentheses, and may hold anything.
  const ticks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return ticks === undefined ? undefined : `${boot?.trim() ?? ""} ${ticks}`;
}

function inUse(path: string, pid: number): EntrepotError {
  return new EntrepotError(
    "CONFIG_INVALID",
    `CACHE_DIR: ${join(path, "..")} is in use by another proxy, process ${pid}. Stop that one, or give this one a directory of its own.`,
  );
}
