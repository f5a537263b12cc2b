import type { FileAsk, FileReplies, FileReply } from "./file-worker.ts";
import { pooledFiles, type SmallFile, type SmallFiles } from "./small-files.ts";
import { markSeconds } from "./stamp.ts";
import { startThread } from "./thread.ts";

/** The part of a Worker that is used. */
export interface FileWorker {
  postMessage(asks: readonly FileAsk[]): void;
  on(event: "message", listener: (replies: FileReplies) => void): unknown;
  on(event: "error" | "exit", listener: () => void): unknown;
  terminate(): unknown;
  /** Whether it keeps a process that has nothing else to wait for. */
  ref(): void;
  unref(): void;
}

export interface FileThreadOptions {
  /** Files in a second from which on there is a thread: starting it costs as much as some 1,500 of them by the pool. */
  readonly startAt?: number;
  readonly start?: () => FileWorker;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** Milliseconds: with an answer outstanding for so long the thread waits for a slow disk, and others need not wait behind it. */
const behind = 50;
/** Milliseconds without work after which the thread ends: it has some 20 MiB. */
const idle = 10_000;

interface Waiting {
  readonly ask: FileAsk;
  /** The same without the thread. */
  readonly byPool: () => void;
  readonly resolve: (file: SmallFile) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Small files, many of them: those of one turn of the event loop go to a thread of its own as one message, and come back as one. The thread pool
 * takes a way there and back for each opening, reading and closing, which costs several times the work itself. Where they are few, or the disk is slow, or there
 * can be no thread, the pool does it.
 */
export class FileThread implements SmallFiles {
  readonly #startAt: number;
  readonly #start: () => FileWorker;
  readonly #now: () => number;
  #worker: FileWorker | undefined;
  #isBroken = false;
  #second = 0;
  #inSecond = 0;
  /** Of this turn. */
  #next: Waiting[] = [];
  readonly #sent: { readonly at: number; readonly batch: readonly Waiting[] }[] = [];

  constructor({
    startAt = 500,
    start = () => startThread("file-worker"),
    now = () => performance.now(),
  }: FileThreadOptions = {}) {
    this.#startAt = startAt;
    this.#start = start;
    this.#now = now;
  }

  /** Whether the thread takes what is asked now. */
  get isReady(): boolean {
    const [oldest] = this.#sent;
    return this.#worker !== undefined && (oldest === undefined || this.#now() - oldest.at < behind);
  }

  read(path: string, limit = Number.POSITIVE_INFINITY): Promise<SmallFile> {
    const byPool = (): Promise<SmallFile> => pooledFiles.read(path, limit);
    return this.#isAtHand() ? this.#ask({ path, limit }, byPool) : byPool();
  }

  async mark(path: string, used: number): Promise<void> {
    // Nobody waits for it, and it is one way to the pool: not what to start a thread for.
    const byPool = (): Promise<void> => pooledFiles.mark(path, used);
    await (this.isReady ? this.#ask({ path, seconds: markSeconds(used) }, byPool) : byPool());
  }

  #ask<T>(ask: FileAsk, byPool: () => Promise<T>): Promise<T | SmallFile> {
    return new Promise((resolve, reject) => {
      if (this.#next.length === 0) setImmediate(this.#send);
      this.#next.push({ ask, byPool: () => void byPool().then(resolve, reject), resolve, reject });
    });
  }

  #isAtHand(): boolean {
    const now = this.#now();
    if (now - this.#second >= 1000) {
      this.#second = now;
      this.#inSecond = 0;
    }
    this.#inSecond += 1;
    if (this.#worker === undefined) {
      if (this.#isBroken || this.#inSecond < this.#startAt) return false;
      this.#begin();
    }
    return this.isReady;
  }

  #begin(): void {
    try {
      const worker = this.#start();
      this.#worker = worker;
      worker.on("message", (replies) => this.#arrived(replies));
      worker.on("error", () => (this.#isBroken = true));
      worker.on("exit", () => this.#ended(worker));
      worker.unref();
      this.#watch(worker);
      // Until it answers for the first time, it is on its way, and the pool goes on.
      this.#sent.push({ at: Number.NEGATIVE_INFINITY, batch: [] });
      worker.postMessage([]);
    } catch {
      this.#isBroken = true;
    }
  }

  /** Ends the thread when it is no longer used. */
  #watch(worker: FileWorker): void {
    const timer = setInterval(() => {
      if (this.#worker === worker && this.#now() - this.#second < idle) return;
      clearInterval(timer);
      if (this.#worker === worker) void worker.terminate();
    }, idle).unref();
  }

  readonly #send = (): void => {
    const batch = this.#next;
    this.#next = [];
    if (this.#worker === undefined) {
      for (const { byPool } of batch) byPool();
      return;
    }
    this.#sent.push({ at: this.#now(), batch });
    this.#worker.ref();
    this.#worker.postMessage(batch.map(({ ask }) => ask));
  };

  #arrived({ replies, bytes }: FileReplies): void {
    const batch = this.#sent.shift()?.batch ?? [];
    if (this.#sent.length === 0) this.#worker?.unref();
    let at = 0;
    for (const [index, { resolve, reject }] of batch.entries()) {
      const reply = replies[index];
      if (reply === undefined || "failed" in reply) reject(failure(reply));
      else {
        // A copy, so that who keeps one file keeps no others.
        const own = Buffer.allocUnsafeSlow(reply.length);
        own.set(bytes.subarray(at, at + reply.length));
        at += reply.length;
        resolve({ size: reply.size, mtimeMs: reply.mtimeMs, bytes: own });
      }
    }
  }

  #ended(worker: FileWorker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { batch } of this.#sent.splice(0)) for (const { byPool } of batch) byPool();
  }
}

function failure(reply: Extract<FileReply, { failed: unknown }> | undefined): Error {
  return Object.assign(new Error("A file could not be read or dated."), { code: reply?.failed });
}
