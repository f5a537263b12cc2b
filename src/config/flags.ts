import { parseArgs } from "node:util";
import type { Given, Reading } from "./given.ts";
import { nearest } from "./nearest.ts";
import { flagOf } from "./option.ts";
import { type OptionName, optionTable } from "./schema.ts";

const byFlag = new Map(
  optionTable
    .filter(([, declared]) => declared.from !== "file")
    .map(([name, declared]) => [flagOf(name), { name, declared }]),
);

/** What a command line holds besides values of options. */
export interface CommandLine extends Reading {
  /** Words that belong to no flag, with their index in argv. */
  readonly words: readonly { readonly text: string; readonly index: number }[];
  readonly help: boolean;
  readonly version: boolean;
}

/** Reads flags: `--flag value`, `--flag=value`, `--switch`, `--no-switch`; a flag of a list may be repeated. Never throws. */
export function readFlags(argv: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    args: argv.map(asWritten),
    options: {
      ...Object.fromEntries([...byFlag].map(([flag, { declared }]) => [flag.slice(2), typeOf(declared.kind.switch)])),
      help: { type: "boolean", short: "h" },
      version: { type: "boolean", short: "V" },
    },
    // Strict mode throws at the first problem; all of them are wanted.
    strict: false,
    tokens: true,
  });
  const values = new Map<OptionName, string[]>();
  const problems: string[] = [];
  const words: { text: string; index: number }[] = [];
  let help = false;
  let version = false;
  let unknown: number | undefined;
  for (const token of tokens) {
    // What follows a misspelt flag is its value; it would be a second problem of one mistake, and it may be secret.
    if (token.kind === "positional" && token.index - 1 !== unknown)
      words.push({ text: token.value, index: token.index });
    if (token.kind !== "option") continue;
    if (!isKnown(token.rawName)) unknown = token.index;
    if (token.name === "help") help = true;
    else if (token.name === "version") version = true;
    else problems.push(...takeFlag(token, values));
  }
  const given = new Map<OptionName, Given>();
  for (const [name, texts] of values) {
    given.set(name, {
      value: texts.length === 1 ? texts[0] : texts.flatMap((text) => text.split(/\s+/)),
      name: flagOf(name),
    });
  }
  return { given, problems, words, help, version };
}

/** The flags of the custom-domain proxy that Go programs read, with one dash or two, by the names they have here; one of them was misspelt for years. */
const elsewhere: Readonly<Record<string, string>> = {
  port: "--port",
  registryHost: "--registry-host",
  registeryHost: "--registry-host",
  repoPrefix: "--repo-prefix",
};

function asWritten(argument: string): string {
  const [, name = "", value = ""] = /^--?([A-Za-z]+)(=.*)?$/s.exec(argument) ?? [];
  const known = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined;
  return known === undefined ? argument : known + value;
}

function isKnown(flag: string): boolean {
  return byFlag.has(flag) || byFlag.has(flag.replace(/^--no-/, "--")) || /^(?:--help|--version|-h|-V)$/.test(flag);
}

function typeOf(isSwitch: boolean): { type: "boolean" | "string" } {
  return { type: isSwitch ? "boolean" : "string" };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** The problems with one flag. A value is not repeated: which flag is secret cannot be told where it is misspelt. */
function takeFlag(token: OptionToken, values: Map<OptionName, string[]>): string[] {
  const flag = token.rawName;
  const known = byFlag.get(flag);
  const negated = known ? undefined : byFlag.get(flag.replace(/^--no-/, "--"));
  if (known === undefined && negated?.declared.kind.switch !== true) {
    const meant = nearest(flag, [...byFlag.keys()]);
    return [
      `${flag}: there is no such option; ${meant === undefined ? "--help lists them all" : `did you mean ${meant}?`}`,
    ];
  }
  if (negated !== undefined) {
    if (token.value !== undefined)
      return [`${flag}: it takes no value; write ${flag} or ${flagOf(negated.name)}=false`];
    return keep(negated.name, false, flag, "false", values);
  }
  if (known === undefined) return [];
  const { kind } = known.declared;
  if (kind.switch) return keep(known.name, false, flag, token.value ?? "true", values);
  const swallowed = token.inlineValue !== true && token.value?.startsWith("-") === true && token.value !== "-";
  if (token.value === undefined || swallowed) {
    return [
      `${flag}: its value is missing; it may be ${kind.expects}; one that begins with a dash is written ${flag}=VALUE`,
    ];
  }
  return keep(known.name, kind.list, flag, token.value, values);
}

function keep(
  name: OptionName,
  list: boolean,
  flag: string,
  value: string,
  values: Map<OptionName, string[]>,
): string[] {
  const before = values.get(name);
  if (before !== undefined && !list) return [`${flag}: it is given more than once; it may be given once`];
  values.set(name, [...(before ?? []), value]);
  return [];
}
