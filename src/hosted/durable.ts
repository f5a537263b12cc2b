import { randomUUID } from "node:crypto";
import { fsync } from "node:fs";
import { link, mkdir, open, readdir, readFile, rename, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { errnoOf } from "../cache/trouble.ts";

/**
 * Small files that several processes share without a lock. A file is whole from its first moment, and the time in its inode says when
 * somebody last wanted it. Whoever removes what nobody wants moves it aside first and looks at it again there: a `keep` before that
 * shows in the time, one after that finds the file gone and brings it back. So what was kept is never lost, and a process that dies in
 * between leaves a file that the next reader brings back.
 */
const aside = ".gone";

export const syncFile = promisify(fsync);

/** Makes the directory of a path, its parents too, such that a power cut does not undo it. */
async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Moves a file of the same file system into its place, over what is there. */
export async function moveInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    await makeDirectory(dirname(to));
    await rename(from, to);
  }
  await syncDirectory(dirname(to));
}

/** Writes a file as a whole, over what is there. `drafts`: a directory of the same file system. `now`: its time, in milliseconds. */
export async function writeWhole(path: string, bytes: string | Buffer, drafts: string, now: number): Promise<void> {
  const draft = join(drafts, randomUUID());
  try {
    await writeFile(draft, bytes, { flag: "wx", flush: true }).catch(async (error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
      await mkdir(drafts, { recursive: true });
      await writeFile(draft, bytes, { flag: "wx", flush: true });
    });
    await utimes(draft, now / 1000, now / 1000);
    await moveInto(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => undefined);
    throw error;
  }
}

/** Says that a file is wanted, as of `now` in milliseconds. False where there is none. */
export async function keep(path: string, now: number): Promise<boolean> {
  for (let round = 0; round < 3; round += 1) {
    try {
      await utimes(path, now / 1000, now / 1000);
      return true;
    } catch (error) {
      // A storage that takes no writes loses nothing either.
      if (errnoOf(error) !== "ENOENT") return (await stat(path).catch(() => undefined)) !== undefined;
    }
    if (!(await bringBack(path)) && !(await isThere(path))) return false;
  }
  return false;
}

/** Runs `action`, which rejects with ENOENT where a file is missing; once more where it was only aside. Undefined where it is not there. */
export async function found<T>(path: string, action: (path: string) => Promise<T>): Promise<T | undefined> {
  try {
    return await action(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  await bringBack(path);
  try {
    return await action(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return undefined;
  }
}

/** The file as a whole. */
export async function readWhole(path: string): Promise<Buffer | undefined> {
  return await found(path, (at) => readFile(at));
}

/** Removes a file, whoever wants it. Whether there was one. */
export async function remove(path: string): Promise<boolean> {
  const removed = await Promise.all([path, `${path}${aside}`].map(unlinked));
  return removed.includes(true);
}

async function unlinked(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return false;
  }
}

/** Removes a file that nobody wants: `isUnwanted` is asked once it is aside, with the path that it has there. Whether it went. */
export async function removeUnwanted(path: string, isUnwanted: (path: string) => Promise<boolean>): Promise<boolean> {
  const gone = `${path}${aside}`;
  try {
    await rename(path, gone);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return false;
  }
  let unwanted = false;
  try {
    unwanted = await isUnwanted(gone);
  } catch (error) {
    // Somebody brought it back.
    if (errnoOf(error) !== "ENOENT") {
      await bringBack(path);
      throw error;
    }
  }
  if (unwanted) return await unlinked(gone);
  await bringBack(path);
  return false;
}

/** Whether a file's time is before another, both in milliseconds. */
export async function isOlder(path: string, than: number): Promise<boolean> {
  return Math.round((await stat(path)).mtimeMs) < than;
}

/** The names in a directory, what is aside included, each once. */
export async function namesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  });
  if (!names.some((name) => name.endsWith(aside))) return names;
  return [...new Set(names.map((name) => (name.endsWith(aside) ? name.slice(0, -aside.length) : name)))];
}

/** Undoes a removal that did not come to its end. What was put in its place meanwhile stays. Whether there was something aside. */
export async function bringBack(path: string): Promise<boolean> {
  const gone = `${path}${aside}`;
  try {
    await link(gone, path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT") return false;
    if (code !== "EEXIST") {
      // File systems without links.
      await rename(gone, path);
      return true;
    }
  }
  await unlinked(gone);
  return true;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
