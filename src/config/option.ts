import type { Kind } from "./kind.ts";

export const groups = [
  "General",
  "Listening",
  "Registries",
  "Fronts",
  "Cache",
  "Manifest cache",
  "Push",
  "Registry",
  "Certificates",
  "Way out",
  "Timeouts",
  "Logs and debugging",
] as const;

export type Group = (typeof groups)[number];

/** One option, declared once. Its key in the table is its key in the file; the other names follow from that. */
export interface Option<T> {
  readonly group: Group;
  readonly kind: Kind<T>;
  /** In the words of the option itself; undefined: none. */
  readonly default: string | undefined;
  /** What takes the place of a default that depends on something else. */
  readonly otherwise?: string;
  /** Another option that is this one by another name, and goes before it wherever both are set. */
  readonly alias?: string;
  /** One or several sentences. */
  readonly help: string;
  /** Its value is never shown as it is. */
  readonly secret: boolean;
  /** all: flag, environment and file. file: its grammar needs YAML. caller: what names the file cannot stand in it. */
  readonly from: "all" | "file" | "caller";
}

type Required = "group" | "kind" | "help";
type Declaration<T> = Pick<Option<T>, Required> & Partial<Omit<Option<T>, Required>>;

/** Declares an option. One without a default is undefined where nobody sets it. */
export function option<T>(declaration: Declaration<T> & { readonly default: string }): Option<T>;
export function option<T>(declaration: Declaration<T>): Option<T | undefined>;
export function option<T>(declaration: Declaration<T>): Option<T | undefined> {
  return { default: undefined, secret: false, from: "all", ...declaration };
}

/** `cacheMaxSize` is `--cache-max-size`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `cacheMaxSize` is `CACHE_MAX_SIZE`. */
export function variableOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** The name that an option goes by where it does not matter who sets it. */
export function nameOf(key: string, declared: Pick<Option<unknown>, "from">): string {
  return declared.from === "file" ? key : variableOf(key);
}
