import type { OptionName } from "./schema.ts";

/** What one source says of an option, not yet read. */
export interface Given {
  readonly value: unknown;
  /** What to call the option in a message about this value. */
  readonly name: string;
}

/** All that one source says, and what is wrong with it as a whole; a problem is one line. */
export interface Reading {
  readonly given: ReadonlyMap<OptionName, Given>;
  readonly problems: readonly string[];
}
