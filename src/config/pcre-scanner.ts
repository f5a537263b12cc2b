import { EntrepotError } from "../core/errors.ts";

/** Reads a pattern from left to right. */
export class PatternScanner {
  /** Index of the next character, in UTF-16 code units. */
  position = 0;
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  get atEnd(): boolean {
    return this.position >= this.source.length;
  }

  /** Takes what `pattern`, which is sticky, matches here; undefined, and no step, where it does not. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.source);
    if (found === null) return undefined;
    this.position += found[0].length;
    return found;
  }

  /** Takes one code unit. There must be one. */
  next(): number {
    return this.source.charCodeAt(this.position++);
  }

  /** Always throws: CONFIG_INVALID with the position, counted in characters from 1. */
  refuse(problem: string, position: number = this.position): never {
    const character = Array.from(this.source.slice(0, position)).length + 1;
    throw new EntrepotError("CONFIG_INVALID", `at character ${character}: ${problem}`);
  }
}
