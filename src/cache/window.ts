import { type BufferPool, Slab } from "./pool.ts";

/** A slab with the position of its first byte and the number of bytes in it. */
export interface Cell {
  readonly slab: Slab;
  readonly start: number;
  filled: number;
}

/**
 * The last stretch of a body, in memory, in slabs: what is still to be written to the spool, and what followers in step are served from.
 * Positions are bytes from the start of the body.
 */
export class Window {
  readonly #pool: BufferPool;
  readonly #cells: Cell[] = [];
  #end = 0;
  #exact: number | undefined;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Position after the last byte held. */
  get end(): number {
    return this.#end;
  }

  /** Position of the first byte held. */
  get start(): number {
    return this.#cells[0]?.start ?? this.#end;
  }

  /** Bytes of memory held. */
  get held(): number {
    return this.#cells.reduce((sum, cell) => sum + cell.slab.buffer.length, 0);
  }

  /** The first byte held will be that of this position: those before it are on the spool alone. */
  begin(position: number): void {
    this.#end = position;
  }

  /** The whole body will have this size: a small one is not worth a slab of the pool. */
  expect(size: number): void {
    if (size < this.#pool.size && this.#cells.length === 0) this.#exact = size;
  }

  /** Copies bytes to the end. One copy here spares each follower, and the spool, a write of many small pieces. */
  append(chunk: Buffer): void {
    let from = 0;
    while (from < chunk.length) {
      const cell = this.#open();
      const copied = chunk.copy(cell.slab.buffer, cell.filled, from);
      cell.filled += copied;
      from += copied;
      this.#end += copied;
    }
  }

  #open(): Cell {
    const last = this.#cells.at(-1);
    if (last !== undefined && last.filled < last.slab.buffer.length) return last;
    const slab =
      this.#exact === undefined ? this.#pool.take() : new Slab(Buffer.allocUnsafeSlow(Math.max(1, this.#exact)));
    this.#exact = undefined;
    const cell = { slab, start: this.#end, filled: 0 };
    this.#cells.push(cell);
    return cell;
  }

  /** The bytes of a stretch that is held whole. They stay valid until trimmed. */
  pieces(from: number, to: number): Buffer[] {
    const pieces: Buffer[] = [];
    for (const cell of this.#cells) {
      const first = Math.max(from, cell.start);
      const last = Math.min(to, cell.start + cell.filled);
      if (first < last) pieces.push(cell.slab.buffer.subarray(first - cell.start, last - cell.start));
    }
    return pieces;
  }

  /** The cell that holds the byte at a position. */
  at(position: number): Cell | undefined {
    for (let index = this.#cells.length - 1; index >= 0; index -= 1) {
      const cell = this.#cells[index];
      if (cell === undefined || position >= cell.start + cell.filled) return undefined;
      if (position >= cell.start) return cell;
    }
    return undefined;
  }

  /** Lets go of full slabs that end at or before a position. */
  trim(before: number): void {
    for (;;) {
      const first = this.#cells[0];
      if (first === undefined || first.filled < first.slab.buffer.length || first.start + first.filled > before) return;
      this.#cells.shift();
      first.slab.release();
    }
  }

  /** Lets go of everything. */
  clear(): void {
    for (const cell of this.#cells.splice(0)) cell.slab.release();
  }
}
