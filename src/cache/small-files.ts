import { close, fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import { openFile } from "./spool.ts";

/** A file as it was when it was opened. */
export interface SmallFile {
  /** Bytes. */
  readonly size: number;
  readonly mtimeMs: number;
  /** All of it, alone in its memory; empty where it is larger than the reader wanted. */
  readonly bytes: Buffer;
}

const readInto = promisify(read);

/**
 * Reads a whole file of at most `limit` bytes with as few ways to the thread pool as there are: what it is like was brought into memory by
 * opening it, and nobody waits for its closing. Rejects with the disk's error.
 */
export async function readSmallFile(path: string, limit = Number.POSITIVE_INFINITY): Promise<SmallFile> {
  const descriptor = await openFile(path, "r");
  try {
    const { size, mtimeMs } = fstatSync(descriptor);
    const bytes = Buffer.allocUnsafeSlow(size > limit ? 0 : size);
    const { bytesRead } = bytes.length === 0 ? { bytesRead: 0 } : await readInto(descriptor, bytes, 0, bytes.length, 0);
    return { size, mtimeMs, bytes: bytesRead < bytes.length ? bytes.subarray(0, bytesRead) : bytes };
  } finally {
    close(descriptor, ignore);
  }
}

function ignore(): void {
  // A descriptor that cannot be closed is of no consequence to anybody.
}
