import { cancelled } from "../cache/file-body.ts";
import { pieceBuffers, type Slab } from "../cache/pool.ts";
import type { Body, PullCallback } from "../core/body.ts";
import type { RemoteFlight } from "./remote-flight.ts";

const nothing: readonly Buffer[] = [];
const noRelease = (): void => undefined;

/** A reader of a flight that another worker leads. */
export class RemoteFollower implements Body {
  readonly #flight: RemoteFlight;
  #position = 0;
  #limit = 0;
  #done: PullCallback | undefined;
  #slab: Slab | undefined;
  /** What takes the flight's place once its leader is lost. */
  #body: Body | undefined;
  #closed = false;

  constructor(flight: RemoteFlight) {
    this.#flight = flight;
  }

  get size(): number | undefined {
    return this.#flight.size;
  }

  pull(position: number, limit: number, done: PullCallback): void {
    if (this.#closed) {
      done(cancelled(), nothing, noRelease);
      return;
    }
    this.#position = position;
    this.#limit = limit;
    this.#done = done;
    this.wake();
  }

  /** Serves the pull under way if it can be served now. */
  wake(): void {
    const done = this.#done;
    if (done === undefined || this.#slab !== undefined) return;
    if (this.#body !== undefined) {
      this.#done = undefined;
      this.#body.pull(this.#position, this.#limit, done);
      return;
    }
    const { state, error, visible } = this.#flight;
    if (state === "failed") this.#finish(error ?? cancelled(), nothing, noRelease);
    else if (this.#position < visible) this.#read(visible);
    else if (state === "landed") this.#finish(undefined, nothing, noRelease);
    else this.#flight.park(this);
  }

  switchTo(body: Body): void {
    if (this.#closed) {
      body.close();
      return;
    }
    this.#body = body;
    this.wake();
  }

  #read(visible: number): void {
    const length = Math.min(pieceBuffers.size, this.#limit, visible - this.#position);
    const slab = pieceBuffers.take(length);
    this.#slab = slab;
    this.#flight.read(slab.buffer.subarray(0, length), this.#position, this.#arrived);
  }

  readonly #arrived = (error: Error | undefined, bytes: number): void => {
    const slab = this.#slab;
    this.#slab = undefined;
    if (slab === undefined) return;
    // A flight that failed meanwhile: what it brought is not to be trusted any further.
    const problem = this.#flight.error ?? error;
    if (this.#closed || problem !== undefined) {
      slab.release();
      // Its place may have been taken while the read was under way.
      if (this.#body !== undefined && this.#flight.error === undefined && !this.#closed) this.wake();
      else this.#finish(problem ?? cancelled(), nothing, noRelease);
    } else this.#finish(undefined, [slab.buffer.subarray(0, bytes)], slab.release);
  };

  #finish(error: Error | undefined, pieces: readonly Buffer[], release: () => void): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(error, pieces, release);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#body?.close();
    this.#flight.leave(this);
    this.#finish(cancelled(), nothing, noRelease);
  }
}
