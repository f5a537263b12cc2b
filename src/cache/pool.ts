import { giveBack } from "../core/give-back.ts";
import { systemTimers, type Timers } from "./timers.ts";

/** A buffer on loan. It goes back to its pool when everybody who holds it has let go. */
export class Slab {
  readonly buffer: Buffer;
  #holders = 1;
  readonly #home: BufferPool | undefined;
  /** Lets go, once for each holder. Bound, so that it can be handed on as it is: the byte path makes no closures. */
  readonly release = (): void => {
    this.#holders -= 1;
    if (this.#holders === 0) this.#home?.give(this);
  };

  constructor(buffer: Buffer, home?: BufferPool) {
    this.buffer = buffer;
    this.#home = home;
  }

  /** One holder more. */
  retain(): void {
    this.#holders += 1;
  }

  /** Only for the pool: lends it out again. */
  renew(): void {
    this.#holders = 1;
  }
}

/** Whole, half, quarter and eighth. */
const sizes = 4;

export interface PoolOptions {
  /** Idle buffers that were not needed for so long are given back, milliseconds; 10 s unless given. */
  readonly keepFor?: number;
  readonly timers?: Timers;
}

/**
 * Buffers of one size, of its half, its quarter and its eighth. Idle ones are held, `keep` large ones or as many bytes of smaller ones; more than that can be
 * on loan. What is not held is given back at once: left to the collector, it would be memory for a while that is new for each loan.
 */
export class BufferPool {
  /** Bytes of the largest buffer. */
  readonly size: number;
  readonly #keep: number;
  readonly #keepFor: number;
  readonly #timers: Timers;
  /** By size, the largest first. */
  readonly #idle: Slab[][] = Array.from({ length: sizes }, () => []);
  #idleBytes = 0;
  /** The least that was idle since the timer's last turn: nobody needed that. */
  #spare = 0;
  #cancel: (() => void) | undefined;

  constructor(size: number, keep: number, options: PoolOptions = {}) {
    this.size = size;
    this.#keep = size * keep;
    this.#keepFor = options.keepFor ?? 10_000;
    this.#timers = options.timers ?? systemTimers;
  }

  /** Buffers of whatever size. */
  get idle(): number {
    return this.#idle.reduce((sum, slabs) => sum + slabs.length, 0);
  }

  /** A buffer of at least so many bytes, but not more than the largest has. */
  take(bytes: number = this.size): Slab {
    const which = this.#sizeOf(bytes);
    const slab = this.#idle[which]?.pop();
    if (slab === undefined) return new Slab(Buffer.allocUnsafeSlow(this.size >> which), this);
    this.#idleBytes -= slab.buffer.length;
    this.#spare = Math.min(this.#spare, this.#idleBytes);
    slab.renew();
    return slab;
  }

  #sizeOf(bytes: number): number {
    let which = 0;
    while (which + 1 < sizes && bytes <= this.size >> (which + 1)) which += 1;
    return which;
  }

  /** Called by a slab that nobody holds any longer. Where there is no room for it, those of other sizes make it: this is the size in use. */
  give(slab: Slab): void {
    const { length } = slab.buffer;
    const own = this.#idle[this.#sizeOf(length)];
    for (const slabs of this.#idle) if (slabs !== own) this.#drop(slabs, this.#idleBytes + length - this.#keep);
    if (own === undefined || this.#idleBytes + length > this.#keep) {
      giveBack(slab.buffer);
      return;
    }
    own.push(slab);
    this.#idleBytes += length;
    this.#cancel ??= this.#timers.every(this.#keepFor, this.#tidy);
  }

  readonly #tidy = (): void => {
    let left = this.#spare;
    for (const slabs of this.#idle) left -= this.#drop(slabs, left);
    this.#spare = this.#idleBytes;
    if (this.#idleBytes > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  };

  /** Gives back those that were idle longest until it is so many bytes, or there are none; the bytes. */
  #drop(slabs: Slab[], bytes: number): number {
    let dropped = 0;
    while (dropped < bytes) {
      const slab = slabs.shift();
      if (slab === undefined) break;
      dropped += slab.buffer.length;
      this.#idleBytes -= slab.buffer.length;
      giveBack(slab.buffer);
    }
    this.#spare = Math.min(this.#spare, this.#idleBytes);
    return dropped;
  }
}

/** For all in this process who read a file to send it, or hold a stretch of a body: as many bytes as a pull asks for at most; 16 MiB of idle ones. */
export const pieceBuffers = new BufferPool(256 * 1024, 64);
