import { close, fstat, open, read, writev } from "node:fs";
import { mkdir, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Digest } from "../core/digest.ts";
import type { Spool } from "./types.ts";
import { mark } from "./stamp.ts";
import { errnoOf } from "./trouble.ts";

export const openFile = promisify(open);
export const closeFile = promisify(close);
export const statFile = promisify(fstat);

/** What a spool tells the store that it belongs to. */
export interface SpoolHome {
  /** Runs the adoption: `move` brings the file to its place. `as`: what it is, where the spool was created without. Rejects with CACHE_IO. */
  adopt(as: Digest | undefined, size: number, move: (target: string) => Promise<void>): Promise<void>;
  /** The error to reject with. */
  failure(action: string, error: unknown): Error;
}

/** Opens a new file for reading and writing; makes its directory where it is missing, as after a wipe. */
export async function createFile(path: string): Promise<number> {
  try {
    return await openFile(path, "wx+", 0o644);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    await mkdir(dirname(path), { recursive: true });
    return await openFile(path, "wx+", 0o644);
  }
}

/** Renames a file into place and dates it; makes the directory where it is missing. Renaming first spares asking for it each time. */
export async function moveInto(from: string, to: string, used: number): Promise<void> {
  await mark(from, used);
  try {
    await rename(from, to);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }
}

/** Writes all of the pieces at a position: one writev may take fewer (a full disk, more than 1024 pieces). */
export function writeAll(descriptor: number, pieces: readonly Buffer[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let at = position;
    let rest = pieces;
    const next = (): void => {
      writev(descriptor, rest.length > 512 ? rest.slice(0, 512) : rest, at, (error, written) => {
        if (error !== null) {
          reject(error);
          return;
        }
        at += written;
        rest = without(rest, written);
        if (rest.length === 0) resolve(at - position);
        else next();
      });
    };
    if (rest.length === 0) resolve(0);
    else next();
  });
}

function without(pieces: readonly Buffer[], bytes: number): readonly Buffer[] {
  let skip = bytes;
  let index = 0;
  for (const piece of pieces) {
    if (piece.length > skip) break;
    skip -= piece.length;
    index += 1;
  }
  const rest = pieces.slice(index);
  const head = rest[0];
  if (head !== undefined && skip > 0) rest[0] = head.subarray(skip);
  return rest;
}

/** A spool on disk. */
export class DiskSpool implements Spool {
  readonly #descriptor: number;
  readonly path: string;
  readonly #home: SpoolHome;
  readonly #now: () => number;
  #size: number;
  #state: "open" | "adopting" | "adopted" | "discarded" = "open";
  #operations = 0;
  #closed = false;

  /** `size`: bytes that the file has already. */
  constructor(descriptor: number, path: string, home: SpoolHome, now: () => number, size = 0) {
    this.#size = size;
    this.#descriptor = descriptor;
    this.path = path;
    this.#home = home;
    this.#now = now;
  }

  async append(pieces: readonly Buffer[]): Promise<void> {
    if (this.#closed) throw this.#home.failure("write a blob whose file was closed", undefined);
    this.#operations += 1;
    try {
      this.#size += await writeAll(this.#descriptor, pieces, this.#size);
    } catch (error) {
      throw this.#home.failure("write a blob", error);
    } finally {
      this.#ended();
    }
  }

  read(buffer: Buffer, position: number, done: (error: Error | null, bytes: number) => void): void {
    if (this.#closed) {
      done(this.#home.failure("read a blob whose file was closed", undefined), 0);
      return;
    }
    this.#operations += 1;
    read(this.#descriptor, buffer, 0, buffer.length, position, (error, bytes) => {
      this.#ended();
      done(error === null ? null : this.#home.failure("read a blob that is being fetched", error), bytes);
    });
  }

  async adopt(as?: Digest): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "adopting";
    try {
      await this.#home.adopt(as, this.#size, (target) => moveInto(this.path, target, this.#now()));
      this.#state = "adopted";
    } catch (error) {
      this.#state = "open";
      await this.discard();
      throw error;
    }
  }

  async discard(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "discarded";
    // Gone already, or on a disk that takes no writes: the next start clears what is left.
    await unlink(this.path).catch(() => undefined);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.discard();
    this.#operations += 1;
    this.#ended();
  }

  /** The descriptor goes when the last operation has ended: its number must not be given to another file before. */
  #ended(): void {
    this.#operations -= 1;
    if (this.#closed && this.#operations === 0) close(this.#descriptor, () => undefined);
  }
}
