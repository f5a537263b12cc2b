/** Code units from the first to the last. */
export type CharacterRange = readonly [first: number, last: number];

const last = 0xffff;

/** Several ranges written as `a-z_`: a hyphen between two characters makes a range of them. */
function ranges(text: string): CharacterRange[] {
  return Array.from(text.matchAll(/([^])(?:-([^]))?/g), ([, from = "", to = from]) => [
    from.charCodeAt(0),
    to.charCodeAt(0),
  ]);
}

/** All that is in none of the ranges. */
export function complement(members: readonly CharacterRange[]): CharacterRange[] {
  const rest: CharacterRange[] = [];
  let next = 0;
  for (const [from, to] of members.toSorted((a, b) => a[0] - b[0])) {
    if (from > next) rest.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  return next > last ? rest : [...rest, [next, last]];
}

/** The ranges and the other case of each ASCII letter in them. */
export function withBothCases(members: readonly CharacterRange[]): CharacterRange[] {
  const swapped = members.flatMap(([from, to]) => [...shifted(from, to, 0x41, 32), ...shifted(from, to, 0x61, -32)]);
  return [...members, ...swapped];
}

/** The letters of a range that are in the alphabet that begins at `first`, by `distance` further on. */
function shifted(from: number, to: number, first: number, distance: number): CharacterRange[] {
  const low = Math.max(from, first);
  const high = Math.min(to, first + 25);
  return low > high ? [] : [[low + distance, high + distance]];
}

/** Members of a class in JavaScript. */
export function formatRanges(members: readonly CharacterRange[]): string {
  return members.map(([from, to]) => (from === to ? literal(from) : `${literal(from)}-${literal(to)}`)).join("");
}

/** One code unit that stands for itself, anywhere in a pattern. */
export function literal(code: number): string {
  const character = String.fromCharCode(code);
  return /^[A-Za-z0-9_]$/.test(character) ? character : `\\u${code.toString(16).padStart(4, "0")}`;
}

const types: Readonly<Record<string, readonly CharacterRange[]>> = {
  d: ranges("0-9"),
  w: ranges("A-Za-z0-9_"),
  s: ranges(" \t-\r"),
  h: ranges("\t \u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"),
  v: ranges("\n-\r\u0085\u2028\u2029"),
};

/** PCRE's character types (pcre2pattern, "Generic character types"): `d`, and `D` for all others. Undefined where there is none. */
export function characterType(letter: string): readonly CharacterRange[] | undefined {
  const members = types[letter.toLowerCase()];
  return members === undefined || letter === letter.toLowerCase() ? members : complement(members);
}

/** Newlines that \R matches besides CR LF. */
export const newlines: readonly CharacterRange[] = types["v"] ?? [];

/** POSIX class names (pcre2pattern, "Posix character classes"). */
export const posixClasses: Readonly<Record<string, readonly CharacterRange[]>> = {
  alnum: ranges("A-Za-z0-9"),
  alpha: ranges("A-Za-z"),
  ascii: ranges("\0-\u007f"),
  blank: ranges(" \t"),
  cntrl: ranges("\0-\u001f\u007f"),
  digit: ranges("0-9"),
  graph: ranges("!-~"),
  lower: ranges("a-z"),
  print: ranges(" -~"),
  punct: ranges("!-/:-@[-`{-~"),
  space: ranges(" \t-\r"),
  upper: ranges("A-Z"),
  word: ranges("A-Za-z0-9_"),
  xdigit: ranges("0-9A-Fa-f"),
};
