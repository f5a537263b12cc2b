import type { PatternScanner } from "./pcre-scanner.ts";
import { type CharacterRange, characterType, formatRanges, newlines } from "./pcre-sets.ts";

const controls: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, e: 27, a: 7 };

/** Assertions. PCRE's \Z also stands before a newline at the end, its \G is the start here since a pattern is anchored. */
const assertions: Readonly<Record<string, string>> = {
  A: "(?<![^])",
  G: "(?<![^])",
  z: "(?![^])",
  Z: "(?=\\n?(?![^]))",
  b: "\\b",
  B: "\\B",
};

export type Escape =
  | { readonly kind: "character"; readonly code: number }
  | { readonly kind: "set"; readonly members: readonly CharacterRange[] }
  | { readonly kind: "assertion"; readonly text: string }
  | { readonly kind: "sequence"; readonly text: string }
  /** A number counts from the first group, a name is one; a negative number counts backwards. */
  | { readonly kind: "reference"; readonly group: number | string };

/** One escape after its backslash, which stands at `start`. Throws CONFIG_INVALID where JavaScript has nothing alike. */
export function translateEscape(scanner: PatternScanner, start: number, inClass: boolean): Escape {
  const numeric = takeCharacterCode(scanner, start, inClass);
  if (numeric !== undefined) return { kind: "character", code: numeric };
  if (!inClass) {
    const group = takeReference(scanner);
    if (group !== undefined) return { kind: "reference", group };
  }
  if (scanner.atEnd) scanner.refuse("a backslash at the end escapes nothing", start);
  const code = scanner.next();
  const letter = String.fromCharCode(code);
  if (!/^[A-Za-z0-9]$/.test(letter)) return { kind: "character", code };
  const members = characterType(letter);
  if (members !== undefined) return { kind: "set", members };
  const control = inClass && letter === "b" ? 8 : controls[letter];
  if (control !== undefined) return { kind: "character", code: control };
  if (!inClass) {
    const assertion = assertions[letter];
    if (assertion !== undefined) return { kind: "assertion", text: assertion };
    if (letter === "N") return { kind: "sequence", text: "[^\\n]" };
    if (letter === "R") return { kind: "sequence", text: `(?:\\r\\n|[${formatRanges(newlines)}])` };
  }
  const place = inClass ? "in a character class " : "";
  return scanner.refuse(`\\${letter} ${place}has no counterpart in JavaScript`, start);
}

/** \cX, \xhh, \x{h...}, \0oo, \o{o...}, and \ooo in a class (pcre2pattern, "Non-printing characters"). */
function takeCharacterCode(scanner: PatternScanner, start: number, inClass: boolean): number | undefined {
  const control = scanner.take(/c([!-~])/y)?.[1];
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) ^ 64;
  const hexadecimal = scanner.take(/x(?:\{([0-9A-Fa-f]{1,6})\}|(?!\{)([0-9A-Fa-f]{0,2}))/y);
  const octal = hexadecimal
    ? undefined
    : scanner.take(inClass ? /o\{([0-7]{1,7})\}|([0-7]{1,3})/y : /o\{([0-7]{1,7})\}|(0[0-7]{0,2})/y);
  const digits = hexadecimal ?? octal;
  if (digits === undefined) return undefined;
  const code = Number(`${hexadecimal ? "0x" : "0o"}0${digits[1] ?? digits[2] ?? ""}`);
  return code <= 0xffff ? code : scanner.refuse("a tag never holds that character", start);
}

function takeReference(scanner: PatternScanner): number | string | undefined {
  const number = scanner.take(/g?(?:([1-9]\d{0,2})|(?<=g)(?:(-[1-9]\d{0,2})|\{(-?[1-9]\d{0,2})\}))/y);
  if (number) return Number(number[1] ?? number[2] ?? number[3]);
  return scanner.take(/(?:g\{|k\{|k<|k')([A-Za-z_]\w*)[}>']/y)?.[1];
}
