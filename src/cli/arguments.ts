import { readFlags } from "../config/flags.ts";
import { nearest } from "../config/nearest.ts";
import { EntrepotError } from "../core/errors.ts";

export type Command = "start" | "config" | "ca show" | "verify" | "gc" | "help" | "version";

export const commands: Readonly<Record<Command, string>> = {
  start: "runs the proxy; the same as no command",
  config: "prints every effective value and where it came from",
  "ca show": "prints the CA's certificate, fingerprint and dates",
  verify: "reads the whole cache back and drops what has rotted",
  gc: "removes what no manifest of the registry refers to",
  help: "prints this; also --help and -h",
  version: "prints the version; also --version and -V",
};

export interface Arguments {
  readonly command: Command;
  /** Flags, without the words of the command. */
  readonly flags: readonly string[];
}

/** Tells the command from its flags, which may stand on either side of it. Throws CONFIG_INVALID for a command that is none. */
export function parseArguments(argv: readonly string[]): Arguments {
  const { words, help, version } = readFlags(argv);
  const command = help ? "help" : version ? "version" : commandOf(words.map(({ text }) => text));
  const taken = new Set(words.slice(0, command.split(" ").length).map(({ index }) => index));
  return { command, flags: argv.filter((_, index) => !taken.has(index)) };
}

function commandOf([first, second]: readonly string[]): Command {
  if (first === undefined) return "start";
  const known = Object.keys(commands) as Command[];
  const found = known.find((command) => command === first || command === `${first} ${second}`);
  if (found !== undefined) return found;
  // A longer word may be a part of a value that lacked its quotes, and secret.
  const shown = /^[\w-]{1,20}$/.test(first) ? `${first}: ` : "";
  const meant = known.find((command) => command.startsWith(`${first} `)) ?? nearest(first, known);
  throw new EntrepotError(
    "CONFIG_INVALID",
    `${shown}there is no such command; ${meant === undefined ? `it may be ${known.join(", ")}` : `did you mean ${meant}?`}`,
  );
}
