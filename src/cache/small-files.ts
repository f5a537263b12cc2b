import { close, fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import { openFile } from "./spool.ts";
import { mark } from "./stamp.ts";

/** A file as it was when it was opened. */
export interface SmallFile {
  /** Bytes. */
  readonly size: number;
  readonly mtimeMs: number;
  /** All of it, alone in its memory; empty where it is larger than the reader wanted. */
  readonly bytes: Buffer;
}

/** What is done with many small files. All of it rejects with the disk's error. */
export interface SmallFiles {
  /** A whole file of at most `limit` bytes. */
  read(path: string, limit?: number): Promise<SmallFile>;
  /** Dates a file, as `cache/stamp` has it. */
  mark(path: string, used: number): Promise<void>;
}

const readInto = promisify(read);

/**
 * With as few ways to the thread pool as there are: what a file is like was brought into memory by opening it, and nobody waits for its
 * closing.
 */
export const pooledFiles: SmallFiles = {
  async read(path, limit = Number.POSITIVE_INFINITY) {
    const descriptor = await openFile(path, "r");
    try {
      const { size, mtimeMs } = fstatSync(descriptor);
      const bytes = Buffer.allocUnsafeSlow(size > limit ? 0 : size);
      const length = bytes.length === 0 ? 0 : (await readInto(descriptor, bytes, 0, bytes.length, 0)).bytesRead;
      return { size, mtimeMs, bytes: length < bytes.length ? bytes.subarray(0, length) : bytes };
    } finally {
      close(descriptor, ignore);
    }
  },
  mark,
};

function ignore(): void {
  // A descriptor that cannot be closed is of no consequence to anybody.
}
