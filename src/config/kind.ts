import { z } from "zod";

/** What kind of value an option takes: how it is read from a text or from YAML, and how it is described. */
export interface Kind<T> {
  /** The word that stands for a value in help, e.g. `SIZE`. */
  readonly placeholder: string;
  /** What it may be; ends a sentence that begins "it may be". */
  readonly expects: string;
  /** Takes several values: its flag may be repeated, and the file may have a list. */
  readonly list: boolean;
  /** A flag of it needs no value. */
  readonly switch: boolean;
  /**
   * Reads what was given: a text, or what YAML has in its place. Each issue's message is one thing that is wrong, with the value if
   * that is no secret; an issue without a message of its own means that the value as a whole is of the wrong shape.
   */
  schema(peer: Peer): z.ZodType<T>;
  /** The value for people, without anything secret. Where absent, what was given is shown. */
  show?(value: T): string;
}

/** The effective text of another option, for one whose grammar depends on it. */
export type Peer = (name: string) => string;

/** Thrown in a parser by `no`; its message becomes the problem. */
class Refusal extends Error {}

/** Ends a parser with what is wrong with the text. */
export function no(problem: string): never {
  throw new Refusal(problem);
}

/**
 * A value in quotes, on one line, short. What holds a map is not shown: it may be a credential under a wrong key; nor is what stands
 * before an @ in a URL.
 */
export function quote(value: unknown): string {
  const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (entries.some((entry) => typeof entry === "object" && entry !== null))
    return "a map or a list of lists (not shown)";
  const text = (JSON.stringify(value) ?? String(value)).replace(/(?<=:\/\/)[^/@\s]*@/g, "***@");
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

/** What YAML may make of a plain text: `port: 3128` is a number there. */
export const plainText = z.union([z.string(), z.number(), z.boolean()]).transform((given) => String(given).trim());

/** Runs a parser in a transform. What it returns is the value; undefined means that the text, shown, is not one. */
export function attempt<T>(parse: () => T | undefined, text: string, context: z.RefinementCtx): T {
  let problem = `${quote(text)} is not accepted`;
  try {
    const value = parse();
    if (value !== undefined) return value;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    problem = error.message;
  }
  context.addIssue({ code: "custom", message: problem });
  return z.NEVER;
}

interface Description<T> {
  readonly placeholder: string;
  readonly expects: string;
  /** Undefined, or a call of `no`, where the text is none. */
  readonly parse: (text: string) => T | undefined;
  readonly show?: (value: T) => string;
}

/** A kind of one plain value. */
export function single<T>({ parse, ...described }: Description<T>): Kind<T> {
  return {
    ...described,
    list: false,
    switch: false,
    schema: () => plainText.transform((text, context) => attempt(() => parse(text), text, context)),
  };
}

/**
 * A kind of several values between blanks, or a YAML list; what is there twice counts once. Every bad one is a problem of its own.
 * `none` alone is the empty list, for an option whose default is not.
 */
export function several<T>({ parse, show, ...described }: Description<T>): Kind<readonly T[]> {
  const entries = z.union([
    z.array(plainText),
    plainText.transform((text) => text.split(/\s+/).filter((part) => part !== "")),
  ]);
  return {
    ...described,
    list: true,
    switch: false,
    schema: () =>
      entries.transform((texts, context) => {
        const unique = texts.length === 1 && texts[0] === "none" ? [] : [...new Set(texts)];
        return unique.map((text) => attempt(() => parse(text), text, context));
      }),
    ...(show && { show: (values: readonly T[]) => values.map((value) => show(value)).join(" ") }),
  };
}
