import type { IncomingMessage } from "node:http";
import { EntrepotError } from "../core/errors.ts";
import type { Upload } from "./upload.ts";

/** Bytes that one write takes. What comes meanwhile is gathered for the next one, so that a request holds about two of them. */
const pieceSize = 512 * 1024;

/**
 * Writes a request's body to an upload as it comes. Rejects with CANCELLED where it ends early, with SIZE_INVALID where it is longer than `most`
 * bytes, and with the file system's error; what was received until then stays written.
 */
export function receive(body: IncomingMessage, upload: Upload, signal: AbortSignal, most: number): Promise<void> {
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
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
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
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes < pieceSize) return;
    if (this.#writing) this.#body.pause();
    else this.#write();
  };

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
    const pieces = this.#gathered;
    if (pieces.length === 0) {
      if (this.#ended) this.#finish(this.#failure);
      return;
    }
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#writing = true;
    this.#upload.append(pieces).then(this.#onWritten, (error: unknown) => {
      this.#finish(error instanceof Error ? error : new Error("A write failed.", { cause: error }));
    });
  }

  readonly #onWritten = (): void => {
    this.#writing = false;
    if (this.#ended || this.#gatheredBytes >= pieceSize) this.#write();
    if (!this.#ended) this.#body.resume();
  };

  #finish(error: Error | undefined): void {
    this.#ended = true;
    this.#body.off("data", this.#onData);
    this.#body.off("end", this.#onEnd);
    this.#body.off("close", this.#onClose);
    this.#signal.removeEventListener("abort", this.#onClose);
    this.#settle(error);
  }
}
