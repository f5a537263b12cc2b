/** A thread that reads and dates small files for its process. Each message is a batch, and so is its answer. */
import { closeSync, fstatSync, openSync, readSync, utimesSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { errnoOf } from "./trouble.ts";

/** `seconds`: dates it, seconds since the epoch. Else it is read, where it has no more than `limit` bytes. */
export type FileAsk =
  | { readonly path: string; readonly limit: number }
  | { readonly path: string; readonly seconds: number };

/** `failed`: the error's code. `length`: of its bytes, which follow those of the file before it in the batch. */
export type FileReply =
  | { readonly size: number; readonly mtimeMs: number; readonly length: number }
  | { readonly failed: string | undefined };

export interface FileReplies {
  readonly replies: readonly FileReply[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

let gathered = Buffer.allocUnsafeSlow(256 * 1024);
let used = 0;

/** Room for so many bytes more. */
function makeRoom(size: number): void {
  if (used + size <= gathered.length) return;
  const larger = Buffer.allocUnsafeSlow((used + size) * 2);
  gathered.copy(larger, 0, 0, used);
  gathered = larger;
}

function readInto(path: string, limit: number): FileReply {
  const descriptor = openSync(path, "r");
  try {
    const { size, mtimeMs } = fstatSync(descriptor);
    if (size === 0 || size > limit) return { size, mtimeMs, length: 0 };
    makeRoom(size);
    const length = readSync(descriptor, gathered, used, size, 0);
    used += length;
    return { size, mtimeMs, length };
  } finally {
    closeSync(descriptor);
  }
}

function answer(ask: FileAsk): FileReply {
  try {
    if ("limit" in ask) return readInto(ask.path, ask.limit);
    utimesSync(ask.path, ask.seconds, ask.seconds);
    return { size: 0, mtimeMs: 0, length: 0 };
  } catch (error) {
    return { failed: errnoOf(error) };
  }
}

parentPort?.on("message", (asks: readonly FileAsk[]) => {
  used = 0;
  const replies = asks.map(answer);
  const bytes = new Uint8Array(gathered.subarray(0, used));
  const all: FileReplies = { replies, bytes };
  parentPort?.postMessage(all, [bytes.buffer]);
});
