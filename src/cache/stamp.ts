import { utimes, utimesSync } from "node:fs";
import { promisify } from "node:util";

const setTimes = promisify(utimes);

/** What tells one state of a file from another. */
export interface Stamp {
  readonly dev: number;
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
  readonly mtimeMs: number;
}

/** As plain data, which can be sent to another process. */
export function stampOf({ dev, ino, size, mtimeMs }: Stamp): Stamp {
  return { dev, ino, size, mtimeMs };
}

/**
 * What a file is dated with for its last use, milliseconds since the epoch. In whole seconds: a change by anybody else gives it a fraction
 * (where the file system has any), so that ours, and those of other workers, are told from it.
 */
export function markSeconds(used: number): number {
  return Math.floor(used / 1000);
}

/** Dates a file with its last use. */
export async function mark(path: string, used: number): Promise<void> {
  const seconds = markSeconds(used);
  await setTimes(path, seconds, seconds);
}

/** Likewise, in this turn. Throws what `mark` rejects with. */
export function markSync(path: string, used: number): void {
  const seconds = markSeconds(used);
  utimesSync(path, seconds, seconds);
}

export function isMark({ mtimeMs }: Pick<Stamp, "mtimeMs">): boolean {
  return mtimeMs % 1000 === 0;
}

/** Whether nobody but us has touched a file since it had this stamp. */
export function isUntouched(stamp: Stamp | undefined, now: Stamp): boolean {
  if (stamp === undefined || stamp.dev !== now.dev || stamp.ino !== now.ino || stamp.size !== now.size) return false;
  return stamp.mtimeMs === now.mtimeMs || isMark(now);
}
