/**
 * The first so many of a set in an order, behind a given one. Holds no more than twice as many, however many are added.
 */
export class Smallest {
  readonly #compare: (a: string, b: string) => number;
  readonly #most: number;
  readonly #after: string | undefined;
  #kept: string[] = [];
  #dropped = false;
  #seen = false;

  constructor(compare: (a: string, b: string) => number, most: number, after: string | undefined) {
    this.#compare = compare;
    this.#most = most;
    this.#after = after;
  }

  /** Whether nothing was added at all. */
  get isEmpty(): boolean {
    return !this.#seen;
  }

  add(entry: string): void {
    this.#seen = true;
    if (this.#after !== undefined && this.#compare(entry, this.#after) <= 0) return;
    this.#kept.push(entry);
    if (this.#kept.length > 2 * this.#most + 1000) this.#trim();
  }

  /** In order; `more`: whether there are further ones. None are more than none. */
  take(): { entries: string[]; more: boolean } {
    this.#trim();
    return { entries: this.#kept, more: this.#dropped && this.#most > 0 };
  }

  #trim(): void {
    this.#kept.sort(this.#compare);
    if (this.#kept.length > this.#most) this.#dropped = true;
    this.#kept = this.#kept.slice(0, this.#most);
  }
}
