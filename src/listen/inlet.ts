import type { OnReadOpts } from "node:net";

/** Bytes that one read takes at most: twice what node reads for a stream, each costs a pass through the event loop. */
const bufferSize = 128 * 1024;

/**
 * Takes what a connection brings in one buffer that is used again and again, where the connection was made with `onread`; on others nothing
 * ever comes here. What comes before anybody takes it waits.
 */
export class Inlet {
  readonly onread: OnReadOpts;
  readonly #buffer = Buffer.allocUnsafeSlow(bufferSize);
  #take: ((bytes: Buffer) => boolean) | undefined;
  #early = 0;

  constructor() {
    this.onread = { buffer: this.#buffer, callback: (length) => this.#arrived(length) };
  }

  /**
   * From now on each piece goes to `take`. Where it says false, the buffer is not free yet: nothing more is read until the connection is
   * resumed.
   */
  open(take: (bytes: Buffer) => boolean): boolean {
    this.#take = take;
    const early = this.#early;
    this.#early = 0;
    return early === 0 || take(this.#buffer.subarray(0, early));
  }

  #arrived(length: number): boolean {
    if (this.#take !== undefined) return this.#take(this.#buffer.subarray(0, length));
    this.#early = length;
    return false;
  }
}
