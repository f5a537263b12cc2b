import { LineCounter, parseDocument } from "yaml";
import type { Given, Reading } from "./given.ts";
import { nearest } from "./nearest.ts";
import { type OptionName, options, optionTable } from "./schema.ts";

export type ReadFile = (path: string) => string;

const nothing: ReadonlyMap<OptionName, Given> = new Map();

/** Reads the YAML file that `--config` or CONFIG names; `name` is which of them. Never throws, and never repeats a line of the file: it holds secrets. */
export function readConfigFile(path: string, name: string, readFile: ReadFile): Reading {
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "the file cannot be read";
    return {
      given: nothing,
      problems: [`${name}: ${JSON.stringify(path)} cannot be read (${code}); it may be a readable YAML file`],
    };
  }
  return readYaml(text, path);
}

function readYaml(text: string, path: string): Reading {
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines });
  const problems = document.errors.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return `${path}: line ${line}, column ${col} is not well-formed YAML (${error.code})`;
  });
  if (problems.length > 0) return { given: nothing, problems };
  let content: unknown;
  try {
    content = document.toJS();
  } catch {
    // The library's message names the alias, which may be an unquoted password.
    return {
      given: nothing,
      problems: [`${path}: an alias (*name) has no anchor, or there are too many; quote a text that begins with *`],
    };
  }
  if (content === null || content === undefined) return { given: nothing, problems };
  if (typeof content !== "object" || Array.isArray(content)) {
    return { given: nothing, problems: [`${path}: it is not a map; it may be lines such as cacheMaxSize: 32g`] };
  }
  return readKeys(Object.entries(content), path);
}

function readKeys(entries: readonly (readonly [string, unknown])[], path: string): Reading {
  const given = new Map<OptionName, Given>();
  const problems: string[] = [];
  for (const [written, value] of entries) {
    // Files of other programs spell a key as its flag: zot-url.
    const key = /^[a-z]+(?:-[a-z0-9]+)+$/.test(written)
      ? written.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
      : written;
    const problem = keyProblem(Object.hasOwn(options, key) ? key : written);
    if (problem !== undefined) problems.push(`${written} (${path}): ${problem}`);
    else if (given.has(key as OptionName)) problems.push(`${written} (${path}): it is there twice; it may be once`);
    // As with a variable: what is there without a value is not set.
    else if (value !== null && value !== "") given.set(key as OptionName, { value, name: `${written} (${path})` });
  }
  return { given, problems };
}

function keyProblem(key: string): string | undefined {
  if (Object.hasOwn(options, key)) {
    return options[key as OptionName].from === "caller"
      ? "it cannot stand in the file; set it by flag or environment"
      : undefined;
  }
  const keys = optionTable.filter(([, declared]) => declared.from !== "caller").map(([name]) => name);
  // People write the variable's name; CACHE_MAX_SIZE is cacheMaxSize here.
  const plain = key.replaceAll(/[_-]/g, "").toLowerCase();
  const meant = keys.find((name) => name.toLowerCase() === plain) ?? nearest(key, keys);
  return `there is no such key; ${meant === undefined ? "docs/configuration.md lists them all" : `did you mean ${meant}?`}`;
}
