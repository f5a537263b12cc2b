import { EntrepotError } from "../core/errors.ts";
import { translateClass } from "./pcre-class.ts";
import { translateEscape } from "./pcre-escape.ts";
import { PatternScanner } from "./pcre-scanner.ts";
import { formatRanges, literal, withBothCases } from "./pcre-sets.ts";

/**
 * A pattern for tags in PCRE's language (pcre2pattern), as nginx reads it in a location: anchored at the start of the tag, open at its
 * end, case-sensitive. Throws CONFIG_INVALID, with the position of what JavaScript cannot do.
 *
 * The engine backtracks as PCRE does, without PCRE's limit: a pattern of nested repeats such as `(a+)+$` can take time that is
 * exponential in the length of a tag, of which there are at most 128 characters. It is the operator's own.
 */
export function compileTagPattern(source: string): RegExp {
  const translated = new Translator(source).translate();
  try {
    return new RegExp(`^(?:${translated})`);
  } catch (error) {
    throw new EntrepotError("CONFIG_INVALID", "it cannot be translated to JavaScript", { cause: error });
  }
}

/**
 * The flags in effect, which are written out in what they are about: (?i:...) of V8 14 ignores case in classes that stand beside
 * it, and repeats of what it negates.
 */
interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
}

interface Frame {
  /** Where the group's bracket stands in the source, and in the output. */
  readonly position: number;
  readonly start: number;
  readonly close: string;
  /** An assertion: it matches no characters, so nothing repeats it. */
  readonly assertion: boolean;
  /** To return to at its end. */
  readonly outer: Flags;
}

class Translator {
  readonly #scanner: PatternScanner;
  /** The names that capturing groups have in the output, by number: atomic groups take numbers of their own, so numbers would shift. */
  readonly #groups: string[] = [];
  readonly #frames: Frame[] = [];
  #flags: Flags = { i: false, m: false, s: false };
  #text = "";
  /** Where in the output the last thing stands that a quantifier may follow. */
  #atom: number | undefined;
  #atomics = 0;

  constructor(source: string) {
    this.#scanner = new PatternScanner(source);
  }

  translate(): string {
    while (!this.#scanner.atEnd) this.#step();
    const open = this.#frames.at(-1);
    if (open !== undefined) this.#scanner.refuse("this group has no end", open.position);
    return this.#text;
  }

  #step(): void {
    const scanner = this.#scanner;
    const position = scanner.position;
    if (this.#quantifier(position)) return;
    const quoted = scanner.take(/\\Q((?:(?!\\E)[^])*)(?:\\E)?/y);
    if (quoted) {
      for (const character of (quoted[1] ?? "").split("")) this.#character(character.charCodeAt(0));
      return;
    }
    if (scanner.take(/\\E/y)) return;
    const code = scanner.next();
    const character = String.fromCharCode(code);
    if (character === "\\") this.#escape(position);
    else if (character === "[") this.#write(translateClass(scanner, position, this.#flags.i));
    else if (character === "(") this.#open(position);
    else if (character === ")") this.#close(position);
    else if (character === "|") this.#assert("|");
    else if (character === "^") this.#assert(this.#flags.m ? "(?<![^\\n])" : "^");
    else if (character === "$") this.#assert(this.#flags.m ? "(?![^\\n])" : "(?=\\n?(?![^]))");
    else if (character === ".") this.#write(this.#flags.s ? "[^]" : "[^\\n]");
    else this.#character(code);
  }

  #write(text: string): void {
    this.#atom = this.#text.length;
    this.#text += text;
  }

  #character(code: number): void {
    const cases = this.#flags.i ? withBothCases([[code, code]]) : [];
    this.#write(cases.length > 1 ? `[${formatRanges(cases)}]` : literal(code));
  }

  #assert(text: string): void {
    this.#atom = undefined;
    this.#text += text;
  }

  #escape(position: number): void {
    const escape = translateEscape(this.#scanner, position, false);
    if (escape.kind === "assertion") this.#assert(escape.text);
    else if (escape.kind === "reference") this.#reference(escape.group, position);
    else if (escape.kind === "character") this.#character(escape.code);
    else this.#write(escape.kind === "set" ? `[${formatRanges(escape.members)}]` : escape.text);
  }

  #reference(group: number | string, position: number): void {
    if (this.#flags.i) this.#scanner.refuse("a reference to a group cannot ignore case", position);
    const index = typeof group === "number" && group < 0 ? this.#groups.length + group : Number(group) - 1;
    const name = typeof group === "string" ? this.#groups.find((known) => known === group) : this.#groups[index];
    if (name === undefined) this.#scanner.refuse(`no group ${group} stands before this reference`, position);
    this.#write(`\\k<${name}>`);
  }

  /** Groups, and what only looks like one (pcre2pattern, "Groups", "Atomic grouping", "Assertions", "Internal option setting"). */
  #open(position: number): void {
    const scanner = this.#scanner;
    if (scanner.take(/\?#[^)]*/y)) {
      // The quantifier after a comment belongs to what stands before it.
      if (!scanner.take(/\)/y)) scanner.refuse("this comment has no end", position);
      return;
    }
    if (scanner.take(/\*/y)) scanner.refuse("verbs such as (*UTF) have no counterpart in JavaScript", position);
    const reference = scanner.take(/\?P=([A-Za-z_]\w*)\)/y);
    if (reference) return this.#reference(reference[1] ?? "", position);
    const name = scanner.take(/\?P?<([A-Za-z_]\w*)>|\?'([A-Za-z_]\w*)'/y);
    const given = name?.[1] ?? name?.[2];
    if (given !== undefined) return this.#capture(given, position);
    // Letters too, but no flag: (?R) is the whole pattern again.
    const flags = scanner.take(/\?(?!R\))([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])/y);
    if (flags) return this.#setFlags(flags, position);
    if (scanner.take(/\?>/y)) return this.#push(position, ...this.#atomic());
    const assertion = scanner.take(/\?<?[=!]/y);
    if (assertion) return this.#push(position, `(${assertion[0]}`, ")", true);
    if (scanner.take(/\?/y)) {
      scanner.refuse("recursion, conditions, branch resets and callouts have no counterpart in JavaScript", position);
    }
    this.#capture(`group${this.#groups.length + 1}`, position);
  }

  #capture(name: string, position: number): void {
    if (this.#groups.includes(name)) this.#scanner.refuse(`there are two groups called ${name}`, position);
    this.#groups.push(name);
    this.#push(position, `(?<${name}>`, ")");
  }

  /** (?i) holds to the end of the group that it stands in, also in the alternatives that follow. */
  #setFlags([, on = "", off = "", end]: RegExpExecArray, position: number): void {
    const unknown = /[^ims]/.exec(on + off)?.[0];
    if (unknown !== undefined) this.#scanner.refuse(`the flag ${unknown} has no counterpart in JavaScript`, position);
    if (end === ":") this.#push(position, "(?:", ")");
    else this.#atom = undefined;
    const set = (flag: keyof Flags): boolean => (this.#flags[flag] || on.includes(flag)) && !off.includes(flag);
    this.#flags = { i: set("i"), m: set("m"), s: set("s") };
  }

  #push(position: number, open: string, close: string, assertion = false): void {
    this.#frames.push({ position, start: this.#text.length, close, assertion, outer: this.#flags });
    this.#assert(open);
  }

  #close(position: number): void {
    const frame = this.#frames.pop() ?? this.#scanner.refuse("there is no group to end here", position);
    this.#text += frame.close;
    this.#flags = frame.outer;
    this.#atom = frame.assertion ? undefined : frame.start;
  }

  /** A lookahead matches once and is not entered again, so capturing in one and referring back is an atomic group. */
  #atomic(): [open: string, close: string] {
    const name = `atomic_${++this.#atomics}`;
    return [`(?:(?=(?<${name}>`, `))\\k<${name}>)`];
  }

  #quantifier(position: number): boolean {
    const scanner = this.#scanner;
    const found = scanner.take(/([*+?]|\{(\d{1,5})(?:(,)(\d{1,5})?)?\})([?+])?/y);
    if (!found) {
      if (scanner.take(/\{,\d+\}/y)) scanner.refuse("write {0,...}: releases of PCRE differ on this", position);
      return false;
    }
    const [, quantifier = "", from, , to, mode] = found;
    const start = this.#atom ?? scanner.refuse("there is nothing to repeat here", position);
    if (to !== undefined && Number(to) < Number(from)) {
      scanner.refuse("the numbers of this repeat are out of order", position);
    }
    const repeated = `${this.#text.slice(start)}${quantifier}${mode === "?" ? "?" : ""}`;
    this.#text = this.#text.slice(0, start) + (mode === "+" ? this.#atomic().join(repeated) : repeated);
    this.#atom = undefined;
    return true;
  }
}
