import type { Body } from "../core/body.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Exchange } from "./exchange.ts";
import { Share } from "./share.ts";

/** Among all pumps of the process. */
const share = new Share();

export interface PumpPlan {
  /** Position of the first byte to send. */
  readonly first: number;
  /** Position after the last one; undefined: the body's end. */
  readonly end: number | undefined;
  /** Writes the head, where that is to wait for the first bytes. */
  readonly begin: (() => void) | undefined;
}

/**
 * Writes a body to the client and ends the response. A stream holds two pieces of it, one that drains and one that is read meanwhile, however large the
 * blob; among many streams one, and a smaller one (`share`). Rejects where the body fails or ends early, or the client goes away; the connection is then cut, unless the head was still to be
 * written. How long a client may take nothing is the listener's to watch.
 */
export function pump(exchange: Exchange, body: Body, plan: PumpPlan): Promise<void> {
  return new Promise((resolve, reject) => {
    new Pump(exchange, body, plan, (error) => {
      if (error === undefined) resolve();
      else reject(error);
    }).start();
  });
}

interface Held {
  readonly pieces: readonly Buffer[];
  readonly release: () => void;
}

class Pump {
  readonly #exchange: Exchange;
  readonly #body: Body;
  readonly #plan: PumpPlan;
  readonly #settle: (error: Error | undefined) => void;
  #position: number;
  #held: Held | undefined;
  #pulling = false;
  /** Of what is being written. */
  #release: (() => void) | undefined;
  #ended = false;
  #settled = false;

  constructor(exchange: Exchange, body: Body, plan: PumpPlan, settle: (error: Error | undefined) => void) {
    this.#exchange = exchange;
    this.#body = body;
    this.#plan = plan;
    this.#position = plan.first;
    this.#settle = settle;
  }

  start(): void {
    const { response } = this.#exchange;
    share.join();
    response.once("close", this.#onClose);
    this.#pull();
  }

  #pull(): void {
    if (this.#pulling || this.#ended || this.#settled || this.#held !== undefined) return;
    const { piece } = share.portion;
    const left = this.#plan.end === undefined ? piece : Math.min(piece, this.#plan.end - this.#position);
    this.#pulling = true;
    this.#body.pull(this.#position, left, this.#onPieces);
  }

  readonly #onPieces = (error: Error | undefined, pieces: readonly Buffer[], release: () => void): void => {
    this.#pulling = false;
    if (this.#settled) {
      release();
      return;
    }
    if (error !== undefined) {
      release();
      this.#finish(error);
      return;
    }
    if (pieces.length === 0) {
      release();
      this.#ended = true;
      if (this.#plan.end === undefined) this.#end();
      else this.#finish(new EntrepotError("CACHE_IO", "The cached content is shorter than it should be."));
      return;
    }
    if (this.#release !== undefined) this.#held = { pieces, release };
    else this.#write(pieces, release);
  };

  #write(pieces: readonly Buffer[], release: () => void): void {
    const { response } = this.#exchange;
    if (!response.headersSent) this.#plan.begin?.();
    let length = 0;
    for (const piece of pieces) length += piece.length;
    this.#position += length;
    const { trace } = this.#exchange;
    trace.bytes = (trace.bytes ?? 0) + length;
    const last = this.#position === this.#plan.end;
    this.#release = release;
    if (pieces.length > 1) response.cork();
    for (const [index, piece] of pieces.entries()) {
      if (index === pieces.length - 1) response.write(piece, this.#onWritten);
      else response.write(piece);
    }
    if (pieces.length > 1) response.uncork();
    if (last) {
      this.#ended = true;
      response.end();
      return;
    }
    if (share.portion.ahead) this.#pull();
  }

  #end(): void {
    const { response } = this.#exchange;
    if (!response.headersSent) this.#plan.begin?.();
    response.end();
  }

  /** In place of the stream's "drain", whose mark is of one size for all: what a stream holds is its share's to say. */
  readonly #onWritten = (error?: Error | null): void => {
    this.#release?.();
    this.#release = undefined;
    // After an error the connection closes, which says what there is to say.
    if (error || this.#settled || this.#ended) return;
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) this.#pull();
    else this.#write(held.pieces, held.release);
  };

  readonly #onClose = (): void => {
    const whole = this.#exchange.response.writableFinished;
    this.#finish(whole ? undefined : new EntrepotError("CANCELLED", "The client went away."));
  };

  #finish(error: Error | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    const { response } = this.#exchange;
    share.leave();
    response.off("close", this.#onClose);
    this.#held?.release();
    this.#held = undefined;
    this.#body.close();
    if (error !== undefined && response.headersSent) response.destroy();
    this.#settle(error);
  }
}
