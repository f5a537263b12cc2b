import { parse, TomlError } from "smol-toml";
import type { Given, Reading } from "./given.ts";
import type { OptionName } from "./schema.ts";

/** The file that registries of the kind that this one takes the place of read, in the working directory. */
export const tomlFile = "configuration.toml";

const keys: ReadonlyMap<string, OptionName> = new Map([
  ["registry_storage", "registryStorage"],
  ["temporary_registry_storage", "temporaryRegistryStorage"],
  ["proxy_storage", "proxyStorage"],
]);

/** Reads it. One that has none of the keys is somebody else's. Never throws. */
export function readToml(text: string): Reading {
  const given = new Map<OptionName, Given>();
  let content: Readonly<Record<string, unknown>>;
  try {
    content = parse(text);
  } catch (error) {
    const place = error instanceof TomlError ? `line ${error.line}, column ${error.column} is` : "it is";
    const names = [...keys.keys()].some((key) => text.includes(key));
    return { given, problems: names ? [`${tomlFile}: ${place} not well-formed TOML`] : [] };
  }
  const found = Object.entries(content);
  if (!found.some(([key]) => keys.has(key))) return { given, problems: [] };
  const problems: string[] = [];
  for (const [key, value] of found) {
    const option = keys.get(key);
    if (option === undefined)
      problems.push(`${key} (${tomlFile}): there is no such key; it may have ${[...keys.keys()].join(", ")}`);
    else if (typeof value !== "string") problems.push(`${key} (${tomlFile}): it is no text; it may be a path`);
    else if (value.trim() !== "") given.set(option, { value, name: `${key} (${tomlFile})` });
  }
  return { given, problems };
}
