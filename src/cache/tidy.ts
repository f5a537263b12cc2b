import { randomBytes } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { spoolDirectory } from "./layout.ts";
import { lives } from "./process.ts";

/**
 * Names of spools say whose they are: `<pid>-<run>-<number>.spool`. The run tells this process from an earlier one that had the same
 * number, as every process in a container has.
 */
const run = randomBytes(6).toString("hex");
const grammar = /^(\d+)-([0-9a-f]{12})-\d+\.spool$/;
let counter = 0;

export function newSpoolName(): string {
  counter += 1;
  return `${process.pid}-${run}-${counter}.spool`;
}

/** A file that is not a spool of ours (cacache's own) is let be for this long, in milliseconds: a living process may be writing it. */
const foreignAge = 10 * 60_000;
/** A number of a dead process may have been given to another program; a spool that nobody wrote to for this long is dead whatever the number says. */
const deadAge = 24 * 3_600_000;

/**
 * Removes what processes that are gone left behind, but for what `isKept` says that another one goes on with. Never rejects; resolves with the number of
 * files removed.
 */
export async function tidySpools(directory: string, isKept: (path: string) => boolean = () => false): Promise<number> {
  const folder = spoolDirectory(directory);
  const names = await readdir(folder).catch(() => []);
  let removed = 0;
  for (const name of names) {
    const path = join(folder, name);
    if (isKept(path) || !(await isStale(name, path))) continue;
    try {
      await rm(path, { recursive: true });
      removed += 1;
    } catch {
      // Read-only, or removed by another worker: the next start tries again.
    }
  }
  return removed;
}

async function isStale(name: string, path: string): Promise<boolean> {
  const match = grammar.exec(name);
  if (match && Number(match[1]) === process.pid) return match[2] !== run;
  if (match && !(await lives(Number(match[1])))) return true;
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
  return Date.now() - mtimeMs > (match ? deadAge : foreignAge);
}
