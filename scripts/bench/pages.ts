import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { GiB, MiB } from "./plan.ts";

/** What the largest cold case writes to its cache, and what else takes pages meanwhile. */
const bytes = GiB;

/**
 * Takes pages and frees them again, so that what is written next is more likely to find some that were in use a moment ago. On a virtual machine the first
 * write to a page can cost up to 2 CPU-s/GiB by chance of the turn, probably since its host takes free memory back. `memory`: a directory in memory.
 */
export function takePages(memory: string): void {
  const file = path.join(memory, "pages");
  const piece = Buffer.alloc(MiB, 1);
  const descriptor = openSync(file, "w");
  try {
    for (let written = 0; written < bytes; written += piece.length) writeSync(descriptor, piece);
  } catch (error) {
    // Where there is less memory than that, there is less to find.
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
}
