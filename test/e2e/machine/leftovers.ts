import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whatever a test leaves on the machine while it runs has a name that begins so and holds the process that made it. */
const mark = "e2e-";

/** The control group of all contained programs of this process. */
export const ownGroup = `${mark}${process.pid}`;
/** For the name of a directory of this process. */
export const ownPrefix = `${mark}${process.pid}-`;

const controlGroups = "/sys/fs/cgroup";

/** Removes the directories that processes left which were killed outright. */
export function sweepDirectories(parent: string = tmpdir()): void {
  for (const name of readdirSync(parent)) {
    if (isOrphan(name)) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** Removes the control groups of this process's contained programs, which must have ended, and those of processes that are gone. */
export function releaseGroups(): void {
  for (const hierarchy of [controlGroups, ...readdirSync(controlGroups).map((name) => join(controlGroups, name))]) {
    if (!existsSync(join(hierarchy, "cgroup.procs"))) continue;
    for (const name of readdirSync(hierarchy)) {
      if (name === ownGroup || isOrphan(name)) removeGroup(join(hierarchy, name));
    }
  }
}

function removeGroup(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(directory, entry.name));
  }
  rmdirSync(directory);
}

function isOrphan(name: string): boolean {
  const owner = new RegExp(`^${mark}(\\d+)(?:-|$)`).exec(name)?.[1];
  if (owner === undefined) return false;
  try {
    process.kill(Number(owner), 0);
    return false;
  } catch {
    return true;
  }
}
