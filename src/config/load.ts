import { EntrepotError } from "../core/errors.ts";
import { contradictions } from "./contradictions.ts";
import { type Environment, readEnvironment } from "./environment.ts";
import { readConfigFile, type ReadFile } from "./file.ts";
import { type CommandLine, readFlags } from "./flags.ts";
import type { Given, Reading } from "./given.ts";
import { quote } from "./kind.ts";
import { nameOf, type Option } from "./option.ts";
import { readToml, tomlFile } from "./toml.ts";
import { type Config, type OptionName, options, optionTable } from "./schema.ts";

export type Source = "flag" | "environment" | "file" | "default";

/** One effective value, for people. */
export interface Setting {
  /** Shows nothing secret: a password is `***`. */
  readonly value: string;
  readonly source: Source;
  /** Whether the option may hold something secret. */
  readonly secret: boolean;
}

export interface LoadedConfig {
  readonly config: Config;
  readonly sources: Readonly<Record<OptionName, Setting>>;
}

export interface ConfigInput {
  /** Flags alone, without program and command. */
  readonly argv: readonly string[];
  readonly env: Environment;
  /** Reads the file that CONFIG names, as UTF-8. */
  readonly readFile: ReadFile;
  /** Reads a file of the working directory; undefined where there is none. */
  readonly readLocal?: (name: string) => string | undefined;
}

/**
 * Puts flags, environment, file and defaults together, in that precedence. Throws one CONFIG_INVALID with everything that is wrong: its
 * message has a line for each problem, which are its `detail` too.
 */
export function loadConfig(input: ConfigInput): LoadedConfig {
  const flags = readFlags(input.argv);
  const environment = readEnvironment(input.env);
  const file = readFrom(flags.given.get("config") ?? environment.get("config"), input.readFile);
  const local = input.readLocal?.(tomlFile);
  const toml: Reading = local === undefined ? { given: new Map(), problems: [] } : readToml(local);
  const layers: Layers = [
    ["flag", flags.given],
    ["environment", environment],
    ["file", file.given],
    ["file", toml.given],
  ];
  const chosen = new Map(optionTable.map(([name, declared]) => [name, choose(name, declared, layers)]));
  const { values, problems } = readValues(chosen);
  // Every value in it has its own kind's type: the table says so, which a Map cannot.
  const config = Object.fromEntries(optionTable.map(([name]) => [name, values.get(name)])) as unknown as Config;
  const all = [
    ...flags.problems,
    ...wordProblems(flags),
    ...file.problems,
    ...toml.problems,
    ...problems,
    ...contradictions(config, (name) => chosen.get(name)?.name ?? nameOf(name, options[name])),
  ];
  if (all.length > 0) throw new EntrepotError("CONFIG_INVALID", all.join("\n"), { detail: all });
  const sources = optionTable.map(([name, declared]) => [name, describe(declared, chosen.get(name), values.get(name))]);
  return { config: Object.freeze(config), sources: Object.fromEntries(sources) as LoadedConfig["sources"] };
}

type Layers = readonly (readonly [Source, ReadonlyMap<OptionName, Given>])[];

interface Chosen extends Given {
  readonly source: Source;
}

function readFrom(given: Given | undefined, readFile: ReadFile): Reading {
  const path = typeof given?.value === "string" ? given.value.trim() : "";
  return given === undefined || path === ""
    ? { given: new Map(), problems: [] }
    : readConfigFile(path, given.name, readFile);
}

function choose(name: OptionName, declared: Option<unknown>, layers: Layers): Chosen {
  for (const [source, layer] of layers) {
    const given = layer.get((declared.alias ?? name) as OptionName) ?? layer.get(name);
    if (given !== undefined) return { ...given, source };
  }
  return { value: declared.default, name: nameOf(name, declared), source: "default" };
}

/** Reads what was chosen, each option as its kind has it. */
function readValues(chosen: ReadonlyMap<OptionName, Chosen>): { values: Map<OptionName, unknown>; problems: string[] } {
  const values = new Map<OptionName, unknown>();
  const problems: string[] = [];
  const peer = (name: OptionName): string => {
    const value = chosen.get(name)?.value;
    return typeof value === "string" && value !== "" ? value : (options[name].default ?? "");
  };
  for (const [name, { kind, secret }] of optionTable) {
    const given = chosen.get(name);
    if (given?.value === undefined) continue;
    const read = kind.schema((other) => peer(other as OptionName)).safeParse(given.value);
    if (read.success) values.set(name, read.data);
    for (const issue of read.error?.issues ?? []) {
      // A message of zod's own speaks of types; one of a kind's own says what is wrong, and keeps what is secret.
      const shown = secret ? "its value (not shown)" : quote(given.value);
      const problem = issue.code === "custom" ? issue.message : `${shown} is not accepted`;
      problems.push(`${given.name}: ${problem}; it may be ${kind.expects}`);
    }
  }
  return { values, problems };
}

/** A word that follows a secret may be a part of it that lacked its quotes. */
function wordProblems({ words, given }: CommandLine): string[] {
  const secret = [...given.keys()].some((name) => options[name].secret);
  return words.map(({ text }) => {
    const shown = !secret && /^[\w.-]{1,20}$/.test(text) ? JSON.stringify(text) : "an argument (not shown)";
    return `${shown} belongs to no option; a value with blanks is written in quotes, a switch as --debug=false`;
  });
}

function describe(declared: Option<unknown>, chosen: Chosen | undefined, value: unknown): Setting {
  const { kind, secret } = declared;
  const source = chosen?.source ?? "default";
  const nothing = declared.otherwise ?? "none";
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return { value: nothing, source, secret };
  if (kind.show !== undefined) return { value: kind.show(value), source, secret };
  return { value: secret ? "***" : plain(chosen?.value), source, secret };
}

/** What was given, on one line. */
function plain(given: unknown): string {
  const text = Array.isArray(given) ? given.join(" ") : String(given).trim();
  const line = text.replace(/\s+/g, " ");
  return /\p{Cc}/u.test(line) ? JSON.stringify(line) : line;
}
