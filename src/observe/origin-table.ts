/** What happened with one origin since the start. Sizes in bytes. */
export interface OriginTotals {
  readonly name: string;
  readonly exchanges: number;
  readonly hits: number;
  readonly misses: number;
  readonly servedBytes: number;
  readonly fetchedBytes: number;
}

type Row = { -readonly [Field in keyof OriginTotals]: OriginTotals[Field] };

/** Counts by origin. The first `limit` origins have a row each, all others share one: patterns such as `*.test` know no end of names. */
export class OriginTable {
  readonly #limit: number;
  readonly #rows = new Map<string, Row>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The origin's name, or "other" where the table is full. */
  label(origin: string): string {
    return this.#row(origin).name;
  }

  exchange(origin: string, hit: boolean, miss: boolean, servedBytes: number): void {
    const row = this.#row(origin);
    row.exchanges++;
    if (hit) row.hits++;
    if (miss) row.misses++;
    row.servedBytes += servedBytes;
  }

  fetched(origin: string, bytes: number): void {
    this.#row(origin).fetchedBytes += bytes;
  }

  /** Most exchanges first. */
  list(): OriginTotals[] {
    return [...this.#rows.values()]
      .map((row) => ({ ...row }))
      .toSorted((one, other) => other.exchanges - one.exchanges);
  }

  #row(origin: string): Row {
    const known = this.#rows.get(origin);
    if (known !== undefined) return known;
    const name = this.#rows.size < this.#limit ? origin : "other";
    const shared = this.#rows.get(name);
    if (shared !== undefined) return shared;
    const row = { name, exchanges: 0, hits: 0, misses: 0, servedBytes: 0, fetchedBytes: 0 };
    this.#rows.set(name, row);
    return row;
  }
}
