import { flagOf, groups, nameOf, type Option, variableOf } from "../src/config/option.ts";
import { type OptionName, optionTable } from "../src/config/schema.ts";
import { withMarkedPart } from "./marked-part.ts";

/** Between these lines of README.md stands the short table. */
export const readmeMarkers = {
  begin: "<!-- options: made by scripts/docs.ts -->",
  end: "<!-- end of options -->",
} as const;

/** docs/configuration.md, from the schema. */
export function configurationPage(): string {
  const sections = groups.map((group) => {
    const members = optionTable.filter(([, declared]) => declared.group === group);
    return `## ${group}\n\n${members.map(([name, declared]) => section(name, declared)).join("\n")}`;
  });
  return `${introduction}\n${sections.join("\n")}\n${example}`;
}

/** The short table: variable, default, meaning. */
export function readmeTable(): string {
  const rows = optionTable
    .filter(([, declared]) => declared.from !== "file")
    .map(
      ([name, declared]) =>
        `| \`${variableOf(name)}\` | ${cell(defaultOf(declared))} | ${cell(firstSentence(declared.help))} |`,
    );
  return ["| Variable | Default | Meaning |", "| --- | --- | --- |", ...rows, ""].join("\n");
}

/** A README with the table between its markers made anew; as it was where it has no markers. */
export function withReadmeTable(readme: string): string {
  return withMarkedPart(readme, readmeMarkers, readmeTable());
}

function section(name: OptionName, declared: Option<unknown>): string {
  const { kind, from } = declared;
  const ways = [
    ...(from === "file"
      ? []
      : [`\`${flagOf(name)}${kind.switch ? "" : ` ${kind.placeholder}`}\``, `\`${variableOf(name)}\``]),
    ...(from === "caller" ? [] : [`\`${name}\` in the file`]),
  ];
  const lines = [
    `### ${nameOf(name, declared)}`,
    "",
    declared.help,
    "",
    `- Set by: ${ways.join(", ")}`,
    `- Default: ${defaultOf(declared)}`,
    `- It may be ${kind.expects}.`,
    ...(declared.secret ? ["- Never shown: `entrepot config` prints what is secret in it as `***`."] : []),
    "",
  ];
  return lines.join("\n");
}

function defaultOf({ default: value, otherwise }: Option<unknown>): string {
  if (otherwise !== undefined) return otherwise;
  return value === undefined || value === "" ? "none" : `\`${value.trim() === value ? value : JSON.stringify(value)}\``;
}

/** A bar ends a cell, in code too. */
function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function firstSentence(text: string): string {
  return /^.*?[.](?= [A-Z]|$)/.exec(text)?.[0] ?? text;
}

const introduction = `# Configuration

<!-- Made by scripts/docs.ts from src/config/schema.ts. Change it there. -->

An option is set by flag, by environment variable or in a YAML file, in that precedence; then its default counts.
\`--cache-max-size 32g\`, \`CACHE_MAX_SIZE=32g\` and \`cacheMaxSize: 32g\` say the same.

- A variable that is set but empty counts as unset, and so does a key of the file without a value. A flag may be given an empty
  list: \`--deny-targets ""\`. In a list of hosts or targets the one word \`none\` does the same.
- A list is written with blanks between its entries; in the file it may also be a YAML list. A flag of a list may be repeated.
- A switch is \`--debug\`, \`--debug=false\` or \`--no-debug\`.
- Whatever is wrong stops the start: unknown flags and keys, values that cannot be read, options that contradict each other. Each is
  one line, and all of them are told at once.
- \`entrepot config\` prints every effective value and where it came from, secrets as \`***\`.
`;

const example = `## A file

\`\`\`yaml
registries: [ghcr.io, quay.io, "*.pkg.dev", "reg.test:5000"]
cacheMaxSize: 200g
enableManifestCache: true
authRegistries:
  - host: ghcr.io
    user: me
    password: "a token, in quotes"
upstreams:
  "reg.test:5000": { plainHttp: true }
  "self-signed.test": { insecure: true }
\`\`\`
`;
