import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./place.ts";
import { until } from "./until.ts";

export interface DaemonOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  readonly cwd?: string;
  /** Undefined as long as it is not ready. */
  readonly ready: (daemon: Daemon) => Promise<true | undefined> | true | undefined;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** A program that runs until it is stopped. */
export interface Daemon {
  readonly pid: number;
  /** All that it wrote to standard output so far. */
  output(): string;
  /** All that it wrote to standard error so far. */
  errors(): string;
  /** SIGTERM, then SIGKILL after `grace` milliseconds. Returns whether SIGTERM was enough. */
  stop(grace?: number): Promise<boolean>;
}

/** Starts a program and waits until it is ready; it is stopped when the place is left. */
export async function startDaemon(place: Place, options: DaemonOptions): Promise<Daemon> {
  const logs = place.folder("log");
  const files = { out: join(logs, `${options.name}.out`), err: join(logs, `${options.name}.err`) };
  const out = openSync(files.out, "a");
  const err = openSync(files.err, "a");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...options.command], {
    env: options.env,
    cwd: options.cwd ?? place.directory,
    stdio: ["ignore", out, err],
  });
  closeSync(out);
  closeSync(err);
  place.keepLog(`${options.name}, standard output`, files.out);
  place.keepLog(`${options.name}, standard error`, files.err);

  let ended: string | undefined;
  const end = new Promise<void>((resolve) => {
    child.on("error", (error) => ((ended = error.message), resolve()));
    child.on("exit", (code, signal) => ((ended = `exit ${code ?? signal}`), resolve()));
  });
  const daemon: Daemon = {
    pid: child.pid ?? 0,
    output: () => readFileSync(files.out, "utf8"),
    errors: () => readFileSync(files.err, "utf8"),
    async stop(grace = 10_000) {
      if (ended !== undefined) return true;
      let forced = false;
      terminate(daemon.pid);
      const timer = setTimeout(() => ((forced = true), child.kill("SIGKILL")), grace);
      await end;
      clearTimeout(timer);
      return !forced;
    },
  };
  place.atEnd(async () => {
    await daemon.stop();
  });
  await until(`${options.name} is ready`, options.timeout ?? 30_000, async () => {
    if (ended !== undefined) return "ended";
    return (await options.ready(daemon)) === true ? "ready" : undefined;
  });
  if (ended !== undefined) throw new Error(`${options.name}: ${ended}\n${daemon.output()}${daemon.errors()}`);
  return daemon;
}

/** unshare(1) blocks SIGTERM, so a contained program is told itself. */
function terminate(pid: number): void {
  const contained = readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "unshare";
  const children = contained ? readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ") : [];
  process.kill(Number(children[0] ?? "") || pid, "SIGTERM");
}
