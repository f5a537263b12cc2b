import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { ownGroup } from "./leftovers.ts";

export interface RunOptions {
  readonly env: Record<string, string>;
  readonly cwd?: string;
  readonly input?: string;
  /** Milliseconds until the program is killed. */
  readonly timeout?: number;
}

export interface Outcome {
  /** The exit code, or 128 where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<ChildProcess>();

/** Ends what a test that failed or was cut short still has running. */
export function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Runs a program to its end, whatever that is. It dies with the test's process, so that nothing is left behind. */
export async function attempt(command: string, args: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", command, ...args], {
    env: options.env,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.timeout ?? 120_000,
    killSignal: "SIGKILL",
  });
  running.add(child);
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exit) => resolve(exit ?? 128));
  }).finally(() => running.delete(child));
  return { code, stdout, stderr };
}

/** Runs a program that must succeed; returns what it wrote to standard output. The error holds all that it wrote. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const outcome = await attempt(command, args, options);
  if (outcome.code === 0) return outcome.stdout;
  throw new Error(`${command} ${args.join(" ")}: exit code ${outcome.code}\n${outcome.stdout}${outcome.stderr}`);
}

/**
 * The command line of a program that mounts file systems or starts containers. Its mounts, processes and control groups
 * are its own, so whatever way it ends, the kernel takes them down with it; see contained.sh.
 */
export function contained(command: string, args: readonly string[]): string[] {
  const namespaces = ["--mount", "--propagation", "private", "--pid", "--kill-child", "--mount-proc"];
  return ["unshare", ...namespaces, join(import.meta.dirname, "contained.sh"), ownGroup, command, ...args];
}
