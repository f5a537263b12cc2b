import { flagOf, groups, nameOf, type Option, variableOf } from "../config/option.ts";
import { type OptionName, optionTable } from "../config/schema.ts";
import { commands } from "./arguments.ts";
import type { Output } from "./io.ts";
import { wrap } from "./wrap.ts";

/** `entrepot help`: commands, and options in groups with their defaults. */
export function help(out: Output): number {
  const names = Object.entries(commands).map(([name, does]) => `  ${name.padEnd(10)}${does}`);
  const sections = groups.map((group) => {
    const members = optionTable.filter(([, declared]) => declared.group === group);
    return [group, ...members.map(([name, declared]) => entry(name, declared))].join("\n");
  });
  out.write(
    [
      "Usage: entrepot [command] [options]",
      "A TLS-intercepting caching proxy for container registries.",
      "",
      "Commands",
      ...names,
      "",
      wrap(
        "An option is set by flag, by environment variable or in a YAML file, in that precedence: --cache-max-size 32g, CACHE_MAX_SIZE=32g, cacheMaxSize: 32g.",
        "",
      ),
      "",
      sections.join("\n\n"),
      "",
    ].join("\n"),
  );
  return 0;
}

function entry(name: OptionName, declared: Option<unknown>): string {
  const { kind } = declared;
  const usage = kind.switch ? "[=BOOLEAN]" : ` ${kind.placeholder}`;
  const heading =
    declared.from === "file"
      ? `  ${nameOf(name, declared)} (in the file only)`
      : `  ${flagOf(name)}${usage}, ${variableOf(name)}`;
  const text = `${declared.help} ${declared.from === "caller" ? "" : `Default: ${defaultOf(declared)}.`}`;
  return `${heading}\n${wrap(text.trim(), "      ")}`;
}

function defaultOf({ default: value, otherwise }: Option<unknown>): string {
  if (otherwise !== undefined) return otherwise;
  return value === undefined || value === "" ? "none" : value.trim() === value ? value : JSON.stringify(value);
}
