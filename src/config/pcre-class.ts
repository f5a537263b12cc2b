import { translateEscape } from "./pcre-escape.ts";
import type { PatternScanner } from "./pcre-scanner.ts";
import { type CharacterRange, complement, formatRanges, posixClasses, withBothCases } from "./pcre-sets.ts";

/** A character class after its opening bracket, which stands at `start`. Throws CONFIG_INVALID. */
export function translateClass(scanner: PatternScanner, start: number, ignoreCase: boolean): string {
  const open = scanner.take(/\^/y) ? "[^" : "[";
  const members: CharacterRange[] = [];
  // A bracket that comes first stands for itself.
  for (let first = true; first || !scanner.take(/\]/y); first = false) {
    const position = scanner.position;
    const from = takeMember(scanner, start, ignoreCase);
    // A hyphen that ends the class stands for itself, and so does one after a set.
    if (typeof from !== "number") members.push(...from);
    else if (scanner.take(/-(?!\])/y)) {
      const to = takeMember(scanner, start, ignoreCase);
      if (typeof to !== "number" || to < from) return scanner.refuse("this is no range of characters", position);
      members.push([from, to]);
    } else members.push([from, from]);
  }
  return `${open}${formatRanges(ignoreCase ? withBothCases(members) : members)}]`;
}

/** One character, or a set of them. */
function takeMember(scanner: PatternScanner, start: number, ignoreCase: boolean): number | readonly CharacterRange[] {
  const position = scanner.position;
  if (scanner.atEnd) scanner.refuse("this character class has no end", start);
  const named = scanner.take(/\[:(\^?)([a-z]+):\]/y);
  if (named) {
    const members = posixClasses[named[2] ?? ""] ?? scanner.refuse(`[:${named[2]}:] is no POSIX class`, position);
    // Both cases before the complement: without regard to case, nothing that is a letter is in [:^upper:].
    const both = ignoreCase ? withBothCases(members) : members;
    return named[1] === "^" ? complement(both) : both;
  }
  if (scanner.take(/\[(?:[.=]|:[<>]:)/y)) scanner.refuse("collating elements are not supported", position);
  const code = scanner.next();
  if (code !== 0x5c) return code;
  if (scanner.take(/[QE]/y)) scanner.refuse("\\Q and \\E in a character class are not supported", position);
  const escape = translateEscape(scanner, position, true);
  if (escape.kind === "character") return escape.code;
  return escape.kind === "set" ? escape.members : scanner.refuse("this escape has no place in a class", position);
}
