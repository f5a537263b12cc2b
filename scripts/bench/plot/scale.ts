export interface ScaleOptions {
  /** Ticks at most, or one more. */
  readonly most?: number;
  /** Whether the values fill all of the pixels; else the outer ticks do. */
  readonly tight?: boolean;
}

/** log(8) / log(2) is a little off 3. */
const rounding = 1e-9;

/** Maps a range of values, logarithmically, on a range of pixels. */
export interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
}

/** `values` are greater than 0; ticks are powers of `base`. */
export function logScale(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
  base: 2 | 10,
  { most = 9, tight = false }: ScaleOptions = {},
): Scale {
  const log = (value: number): number => Math.log(value) / Math.log(base);
  const first = tight ? log(low) : Math.floor(log(low) + rounding);
  const last = tight ? log(high) : Math.ceil(log(high) - rounding);
  const [start, end] = [first, last > first ? last : first + 1];
  const step = Math.ceil((end - start) / most);
  const ticks: number[] = [];
  for (let power = Math.ceil(start - rounding); power <= end + rounding; power += step) ticks.push(base ** power);
  const scale = (value: number): number => from + ((log(value) - start) / (end - start)) * (to - from);
  return Object.assign(scale, { ticks });
}
