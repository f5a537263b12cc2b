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

/** Buffers of one size. At most `keep` idle ones are held; more than that can be on loan. */
export class BufferPool {
  /** Bytes of each buffer. */
  readonly size: number;
  readonly #keep: number;
  readonly #idle: Slab[] = [];

  constructor(size: number, keep: number) {
    this.size = size;
    this.#keep = keep;
  }

  get idle(): number {
    return this.#idle.length;
  }

  take(): Slab {
    const slab = this.#idle.pop();
    if (slab === undefined) return new Slab(Buffer.allocUnsafeSlow(this.size), this);
    slab.renew();
    return slab;
  }

  /** Called by a slab that nobody holds any longer. */
  give(slab: Slab): void {
    if (this.#idle.length < this.#keep) this.#idle.push(slab);
  }
}
