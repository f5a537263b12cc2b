import { randomBytes } from "node:crypto";
import { constants, type FileHandle, copyFile, link, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { EntrepotError } from "../core/errors.ts";

// The root is two files that must agree, whatever crashes and whoever starts at the same moment. So the pair is born as one file:
// the key file holds the key and, after it, the certificate, and appears whole under its name by link(2), which
// never replaces a file. The certificate file is a copy that whoever finds it missing makes from there.

export interface PairPaths {
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface Pair {
  /** PEM text of each file. */
  readonly certificate: string;
  readonly key: string;
  /** Whether this very call made it. */
  readonly created: boolean;
}

/** What is made where there is no pair yet. */
export interface NewPair {
  readonly certificate: string;
  readonly key: string;
}

const beginCertificate = "-----BEGIN CERTIFICATE-----";

/**
 * Reads the pair, or makes it where neither file exists. Several processes at once end with one pair.
 * Throws CA_INVALID where only one file is there, or a file can be neither read nor made.
 */
export async function openPair(paths: PairPaths, make: () => Promise<NewPair>): Promise<Pair> {
  // This order: the key file comes first into the world, so a certificate without a key is not a pair being made.
  const certificate = await readIfThere(paths.certificateFile, "certificate");
  const key = await readIfThere(paths.keyFile, "key");
  if (certificate !== undefined && key !== undefined) return { certificate, key, created: false };
  if (certificate !== undefined) {
    throw invalid(
      `The CA certificate ${paths.certificateFile} has no key beside it: put the key in ${paths.keyFile}, or move the certificate away.`,
    );
  }
  if (key !== undefined) return { ...(await complete(paths, key)), created: false };
  const pair = await make();
  const created = await place(paths.keyFile, `${pair.key}${pair.certificate}`, 0o600);
  const settled = created ? pair.key + pair.certificate : await readIfThere(paths.keyFile, "key");
  if (settled === undefined)
    throw invalid(`The CA key ${paths.keyFile} vanished while it was being read; start again.`);
  return { ...(await complete(paths, settled)), created };
}

/** Makes a directory for private files where there is none (0700); refuses what is not a directory. */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
    if (!(await stat(directory)).isDirectory()) throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" });
  } catch (error) {
    throw invalid(`The CA directory ${directory} ${reason(error)}; name another one with CA_DIR.`, error);
  }
}

/** Not mkdir's own `recursive`: where the parent is there and still takes no directory (/proc), that one loops for ever. */
async function makeDirectory(directory: string): Promise<void> {
  const make = async (): Promise<void> => {
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
  };
  try {
    await make();
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(directory) === directory) throw error;
    await makeDirectory(dirname(directory));
    await make();
  }
}

/** Removes what a start that was killed left behind: at least a minute old, so that nobody is at work on it. */
export async function sweep(paths: PairPaths, now: number): Promise<void> {
  for (const directory of new Set([dirname(paths.keyFile), dirname(paths.certificateFile)])) {
    const names = await readdir(directory).catch(() => []);
    for (const name of names.filter((candidate) => /^\.entrepot-[0-9a-f]{16}\.tmp$/.test(candidate))) {
      const path = join(directory, name);
      const age = now - ((await stat(path).catch(() => undefined))?.mtimeMs ?? now);
      if (age > 60_000) await rm(path, { force: true }).catch(() => undefined);
    }
  }
}

/** A key file that holds its certificate, too, is a pair of our making whose certificate file was lost or not yet made. */
async function complete(paths: PairPaths, key: string): Promise<NewPair> {
  const start = key.indexOf(beginCertificate);
  if (start === -1) {
    throw invalid(
      `The CA key ${paths.keyFile} has no certificate beside it: put the certificate in ${paths.certificateFile}, or move the key away.`,
    );
  }
  const certificate = key.slice(start);
  await place(paths.certificateFile, certificate, 0o644);
  return { certificate, key };
}

/** Makes a file appear whole, and only where there is none; false where there is one. */
async function place(path: string, text: string, mode: number): Promise<boolean> {
  const directory = dirname(path);
  const temporary = join(directory, `.entrepot-${randomBytes(8).toString("hex")}.tmp`);
  try {
    const file = await open(temporary, "wx", mode);
    await writeAndClose(file, text);
    await linkOrCopy(temporary, path);
    await syncDirectory(directory);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw invalid(
      `The CA file ${basename(path)} cannot be made: ${directory} ${reason(error)}. Make it writable, or name another one with CA_DIR.`,
      error,
    );
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function writeAndClose(file: FileHandle, text: string): Promise<void> {
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** File systems without hard links (FAT, some network mounts) get an exclusive copy: still never over a file, but not in one step. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(codeOf(error))) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
  }
}

/** So that the name survives a power cut; where directories cannot be synced it is left to the system. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

async function readIfThere(path: string, what: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw invalid(`The CA ${what} ${path} ${reason(error)}.`, error);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "may not be accessed by this user",
  EPERM: "may not be accessed by this user",
  EROFS: "is on a read-only file system",
  ENOSPC: "is on a full file system",
  ENOENT: "does not exist",
  ENOTDIR: "is not a directory",
  EEXIST: "is not a directory",
  EISDIR: "is a directory and not a file",
};

function reason(error: unknown): string {
  return reasons[codeOf(error)] ?? `failed with ${codeOf(error) || "an unknown error"}`;
}

function invalid(message: string, cause?: unknown): EntrepotError {
  return new EntrepotError("CA_INVALID", message, { cause });
}
