import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import type { Pourable } from "../core/pourable.ts";
import type { ResponseHead } from "./response-head.ts";

/** What an answer asks of its connection. */
export interface AnswerSource {
  pause(): void;
  resume(): void;
  /** Nobody wants the rest. */
  cut(): void;
}

/** A response read from a wire: poured, or copied for whoever reads it as a stream. */
export class Answer extends Readable implements Pourable {
  readonly statusCode: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly #source: AnswerSource;
  /** Came before anybody read; the source is paused then, so that it is no more than was under way. */
  #early: Buffer[] | undefined = [];
  #into: ((bytes: Buffer) => void) | undefined;
  #complete = false;
  #broken: Error | undefined;

  constructor(head: ResponseHead, source: AnswerSource) {
    super();
    this.statusCode = head.status;
    this.headers = head.headers;
    this.rawHeaders = head.rawHeaders;
    this.#source = source;
  }

  pour(into: (bytes: Buffer) => void): void {
    this.#into = into;
  }

  /** For the connection: the next bytes, valid during the call alone. */
  accept(bytes: Buffer): void {
    if (this.destroyed) return;
    if (this.#early !== undefined) this.#early.push(Buffer.from(bytes));
    else if (this.#into !== undefined) this.#into(bytes);
    else if (!this.push(Buffer.from(bytes))) this.#source.pause();
  }

  /** For the connection: that was all. */
  finish(): void {
    this.#complete = true;
    if (this.#early === undefined && !this.destroyed) this.push(null);
  }

  /** For the connection: there is no more, and it was not all. What came before is delivered before that is told. */
  break(error: Error): void {
    if (this.#early === undefined) this.destroy(error);
    else this.#broken = error;
  }

  override _read(): void {
    const early = this.#early;
    this.#early = undefined;
    for (const bytes of early ?? []) {
      if (this.#into === undefined) this.push(bytes);
      else if (!this.destroyed) this.#into(bytes);
    }
    const broken = this.#broken;
    // Later, for what was pushed to be read first.
    if (broken !== undefined) process.nextTick(() => this.destroy(broken));
    else if (!this.#complete) this.#go();
    else if (early !== undefined && !this.destroyed) this.push(null);
  }

  override pause(): this {
    if (this.#into !== undefined) this.#source.pause();
    return super.pause();
  }

  override resume(): this {
    super.resume();
    if (this.#into !== undefined && this.#early === undefined) this.#go();
    return this;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#early = undefined;
    if (!this.#complete) this.#source.cut();
    // As node's own messages: an error is for who listens, and no reason to end the process.
    process.nextTick(() => done(this.listenerCount("error") === 0 ? null : error));
  }

  #go(): void {
    if (!this.#complete && !this.destroyed && !(this.#into !== undefined && this.isPaused())) this.#source.resume();
  }
}
