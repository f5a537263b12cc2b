import bytes from "bytes";
import ms, { type StringValue } from "ms";

/** What a size may be, for messages. */
export const sizeGrammar = "a number of bytes, alone or with a unit of 1024s: 1024, 512m, 32g, 10GiB, 1.5t";
/** What a duration may be, for messages. */
export const durationGrammar =
  "seconds, or numbers with units, greatest first: 500ms, 60s, 10m, 1h30m, 60d, 2w, 1M (a month of 30 days), 1y (365 days)";

/**
 * A size in bytes, rounded down: nginx's spelling (`512m`, `32g`) and the usual ones (`10GiB`, `10gb`, `1.5t`), every unit a power
 * of 1024, in either case. Undefined where it is none, or more than a number holds exactly.
 */
export function parseSize(text: string): number | undefined {
  // The grammar is ours since bytes('10GiB') is 10: the package takes the number it can read and drops the rest.
  const match = /^(\d{1,16}(?:\.\d{1,6})?)(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text);
  if (!match) return undefined;
  const [, number = "", unit] = match;
  if (unit === undefined && number.includes(".")) return undefined;
  const size = bytes.parse(unit === undefined ? `${number}b` : `${number}${unit}b`);
  return size !== null && Number.isSafeInteger(size) ? size : undefined;
}

/** A size for people, in the largest unit that leaves at least one of it, two decimals at most: `32GiB`, `1.46MiB`, `512B`. */
export function formatSize(size: number): string {
  return (bytes.format(size) ?? `${size}B`).replace(/(?<=[KMGTP])B$/, "iB");
}

/** nginx's units and their order, "Configuration file measurement units". Each as what `ms` reads without doubt. */
const durationUnits: readonly (readonly [
  unit: string,
  times: number,
  as: "days" | "hours" | "minutes" | "seconds" | "ms",
])[] = [
  ["y", 365, "days"],
  ["M", 30, "days"],
  ["w", 7, "days"],
  ["d", 1, "days"],
  ["h", 1, "hours"],
  ["m", 1, "minutes"],
  ["s", 1, "seconds"],
  ["ms", 1, "ms"],
];

/**
 * A duration in milliseconds: nginx's spelling, where a bare number is seconds, `m` a minute and `M` a month of 30 days. Undefined
 * where it is none: unknown or repeated units, units out of order, fractions, signs.
 */
export function parseDuration(text: string): number | undefined {
  if (/^\d{1,12}$/.test(text)) return convert(text, 1, "seconds");
  // The grammar is ours since ms('1M') is a minute and ms('1y') is 365.25 days.
  if (!/^\d{1,12}[a-zA-Z]{1,2}(?: ?\d{1,12}[a-zA-Z]{1,2})*$/.test(text)) return undefined;
  let sum = 0;
  let rank = -1;
  for (const [, number = "", unit] of text.matchAll(/(\d+)([a-zA-Z]+)/g)) {
    const next = durationUnits.findIndex(([name]) => name === unit);
    const definition = durationUnits[next];
    if (definition === undefined || next <= rank) return undefined;
    rank = next;
    sum += convert(number, definition[1], definition[2]);
  }
  return Number.isSafeInteger(sum) ? sum : undefined;
}

function convert(number: string, times: number, unit: string): number {
  return ms(`${Number(number) * times} ${unit}` as StringValue);
}

/** A duration for people, exact, in a spelling that parseDuration reads: `1h30m`, `60d`, `500ms`, `0s`. */
export function formatDuration(milliseconds: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(milliseconds));
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
    ["ms", 1],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.length === 0 ? "0s" : parts.join("");
}
