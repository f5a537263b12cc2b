import type { IncomingMessage } from "node:http";
import { BufferPool, type Slab } from "../cache/pool.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Upload } from "./upload.ts";

/**
 * Bytes that one write takes, and the idle buffers of that size that are held. What the parser hands over is copied into them at once: pieces of
 * a socket's read that live until they are written outlive the young generation, and collecting them costs more than copying does.
 */
const pool = new BufferPool(512 * 1024, 16);

/**
 * Writes a request's body to an upload as it comes. Rejects with CANCELLED where it ends early, with SIZE_INVALID where it is longer than `most`
 * bytes, and with the file system's error; what was received until then stays written.
 */
export function writeBody(body: IncomingMessage, upload: Upload, signal: AbortSignal, most: number): Promise<void> {
  return new Promise((resolve, reject) => {
    new Receiver(body, upload, signal, most, (error) => {
      if (error === undefined) resolve();
      else reject(error);
    }).start();
  });
}

class Receiver {
  readonly #body: IncomingMessage;
  readonly #upload: Upload;
  readonly #signal: AbortSignal;
  readonly #settle: (error: Error | undefined) => void;
  /** Bytes that may still come. */
  #left: number;
  /** The piece that came last. */
  #before: Buffer | undefined;
  /** Being filled. */
  #slab: Slab | undefined;
  #filled = 0;
  /** Full, and waiting for the write before them: two at most, as a body is paused at the first. */
  readonly #full: Slab[] = [];
  #writing = false;
  #ended = false;
  #failure: Error | undefined;

  constructor(
    body: IncomingMessage,
    upload: Upload,
    signal: AbortSignal,
    most: number,
    settle: (error: Error | undefined) => void,
  ) {
    this.#body = body;
    this.#upload = upload;
    this.#signal = signal;
    this.#left = most;
    this.#settle = settle;
  }

  start(): void {
    this.#body.on("data", this.#onData);
    this.#body.once("end", this.#onEnd);
    this.#body.once("close", this.#onClose);
    this.#signal.addEventListener("abort", this.#onClose);
    if (this.#signal.aborted || this.#body.destroyed) this.#onClose();
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#ended) return;
    this.#left -= bytes.length;
    if (this.#left < 0) {
      this.#fail(new EntrepotError("SIZE_INVALID", "The body is longer than its Content-Range says."));
      return;
    }
    this.#giveBack(bytes);
    for (let at = 0; at < bytes.length;) {
      const slab = (this.#slab ??= pool.take());
      const copied = bytes.copy(slab.buffer, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < slab.buffer.length) continue;
      this.#full.push(slab);
      this.#slab = undefined;
      this.#filled = 0;
    }
    if (this.#full.length === 0) return;
    if (this.#writing) this.#body.pause();
    else this.#write();
  };

  /**
   * Frees the memory of the piece before, whose parser is done with it now that another read brought `bytes`. Left to the collector, pieces lie outside of its
   * heap, and every few dozen MiB of them make it mark all of that.
   */
  #giveBack(bytes: Buffer): void {
    const before = this.#before;
    this.#before = bytes;
    if (before === undefined || before.buffer === bytes.buffer) return;
    if (before.length === before.buffer.byteLength && before.buffer instanceof ArrayBuffer) before.buffer.transfer(0);
  }

  readonly #onEnd = (): void => {
    this.#ended = true;
    if (!this.#writing) this.#write();
  };

  readonly #onClose = (): void => {
    if (!this.#ended) this.#fail(new EntrepotError("CANCELLED", "The client went away during its upload."));
  };

  /** What came until now is still written: it need not be sent again. */
  #fail(error: Error): void {
    this.#failure = error;
    this.#ended = true;
    this.#body.pause();
    if (!this.#writing) this.#write();
  }

  #write(): void {
    const [slab, bytes] = this.#next();
    if (slab === undefined) {
      if (this.#ended) this.#finish(this.#failure);
      return;
    }
    this.#writing = true;
    const written = (error?: unknown): void => {
      this.#writing = false;
      slab.release();
      if (error === undefined) this.#onWritten();
      else this.#finish(error instanceof Error ? error : new Error("A write failed.", { cause: error }));
    };
    this.#upload.append([slab.buffer.subarray(0, bytes)]).then(() => written(), written);
  }

  /** What is to be written next: what is full, and at the end what is not. */
  #next(): [slab: Slab | undefined, bytes: number] {
    const full = this.#full.shift();
    if (full !== undefined || !this.#ended) return [full, pool.size];
    const last = this.#slab;
    this.#slab = undefined;
    return [last, this.#filled];
  }

  #onWritten(): void {
    if (this.#ended || this.#full.length > 0) this.#write();
    if (!this.#ended) this.#body.resume();
  }

  #finish(error: Error | undefined): void {
    this.#ended = true;
    this.#body.off("data", this.#onData);
    this.#body.off("end", this.#onEnd);
    this.#body.off("close", this.#onClose);
    this.#signal.removeEventListener("abort", this.#onClose);
    for (const slab of this.#full.splice(0)) slab.release();
    this.#slab?.release();
    this.#slab = undefined;
    this.#settle(error);
  }
}
