import { existsSync, readFileSync } from "node:fs";
import { type Clock, systemClock } from "../core/clock.ts";
import { type ErrorCode, EntrepotError } from "../core/errors.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Io } from "./io.ts";

/** Exit codes: all is well, something failed, the command line or the configuration is wrong. */
export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;

export interface Invocation {
  /** Without the interpreter and the program. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly io: Io;
  readonly clock?: Clock;
}

/**
 * Runs the command that a command line asks for and resolves with its exit code. What the program foresees is told on stderr; other
 * errors reject. Commands are imported when they are run: a start waits for nothing that it does not need.
 */
export async function run({ argv, env, io, clock = systemClock }: Invocation): Promise<number> {
  try {
    const { parseArguments } = await import("./arguments.ts");
    const { command, flags } = parseArguments(argv);
    if (command === "help") return (await import("./help.ts")).help(io.stdout);
    if (command === "version") return (await import("./version.ts")).version(io.stdout);
    const loaded = await load(flags, env);
    if (command === "config") return (await import("./config.ts")).showConfig(loaded, io.stdout);
    if (command === "start")
      return await (await import("./start.ts")).start(loaded, { io, clock, load: () => load(flags, env) });
    if (command === "verify") return await (await import("./verify.ts")).verify(loaded.config.cacheDir, io);
    if (command === "gc") return await (await import("./gc.ts")).gc(loaded.config, io);
    const { caDir, caCrtFile, caKeyFile } = loaded.config;
    const { caShow } = await import("./ca.ts");
    const own = caCrtFile !== undefined &&
      caKeyFile !== undefined && { certificateFile: caCrtFile, keyFile: caKeyFile };
    return await caShow({ directory: caDir, ...own }, io.stdout);
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    io.stderr.write(`${error.message.replace(/^/gm, "entrepot: ")}\n`);
    return exitCodeOf(error.code);
  }
}

function readFile(path: string): string {
  return readFileSync(path, "utf8");
}

async function load(flags: readonly string[], env: Invocation["env"]): Promise<LoadedConfig> {
  const { loadConfig } = await import("../config/load.ts");
  return loadConfig({
    argv: flags,
    env,
    readFile,
    readLocal: (name) => (existsSync(name) ? readFile(name) : undefined),
  });
}

function exitCodeOf(code: ErrorCode): number {
  return code === "CONFIG_INVALID" ? exitCodes.usage : exitCodes.failed;
}
