const empty = Buffer.alloc(0);

/** Bytes gathered up to a mark that may be cut anywhere by the pieces they come in. */
export class Gather {
  #buffer = empty;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /**
   * Adds the bytes from `at` on up to the end of the mark. Returns how many were taken, and whether the mark is there. What is
   * taken is linear in the bytes, however small the pieces.
   */
  take(bytes: Buffer, at: number, mark: string): { readonly taken: number; readonly whole: boolean } {
    const before = this.#length;
    const longest = mark.length - 1;
    // The mark may have begun in an earlier piece.
    const overlap = Math.min(before, longest);
    const seam = Buffer.concat([
      this.#buffer.subarray(before - overlap, before),
      bytes.subarray(at, at + longest),
    ]).indexOf(mark, 0, "latin1");
    const inside = seam === -1 ? bytes.indexOf(mark, at, "latin1") : -1;
    const taken =
      seam === -1 ? (inside === -1 ? bytes.length : inside + mark.length) - at : seam + mark.length - overlap;
    this.#append(bytes, at, taken);
    return { taken, whole: seam !== -1 || inside !== -1 };
  }

  /** The beginning, as latin1. */
  peek(length: number): string {
    return this.#buffer.toString("latin1", 0, Math.min(length, this.#length));
  }

  /** All but the last `mark` bytes, as latin1; begins anew. */
  end(mark: number): string {
    const text = this.#buffer.toString("latin1", 0, this.#length - mark);
    this.#length = 0;
    this.#buffer = empty;
    return text;
  }

  #append(bytes: Buffer, at: number, count: number): void {
    if (this.#length + count > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, 2 * this.#buffer.length, this.#length + count));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    bytes.copy(this.#buffer, this.#length, at, at + count);
    this.#length += count;
  }
}
