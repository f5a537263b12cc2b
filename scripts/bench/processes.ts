import { type ChildProcess, spawn } from "node:child_process";
import { openSync, closeSync, readFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { ProcessTree } from "./measure.ts";

export interface Service {
  readonly name: string;
  readonly tree: ProcessTree;
  readonly child: ChildProcess;
  /** Ends it and all it started. */
  stop(): Promise<void>;
}

export interface Launch {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The only CPUs it may run on, as taskset takes them; undefined leaves it free. */
  readonly cpus: string | undefined;
  /** Where its output goes. */
  readonly logFile: string;
  /** Opens a channel for messages. */
  readonly ipc?: boolean;
}

/** All that was started and has not been stopped, so that an interrupted run leaves nothing behind. */
const running = new Set<Service>();

/** Nothing of the caller's environment reaches a contender but what every program needs. */
const environment = {
  PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
  HOME: process.env["HOME"] ?? "/",
  LANG: "C",
};

export function launch(options: Launch): Service {
  const pinned = options.cpus === undefined ? [] : ["taskset", "-c", options.cpus];
  const [command = options.command, ...args] = [...pinned, options.command, ...options.args];
  const log = openSync(options.logFile, "a");
  const child = spawn(command, args, {
    env: { ...environment, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    stdio: options.ipc ? ["ignore", log, log, "ipc"] : ["ignore", log, log],
    serialization: "json",
  });
  closeSync(log);
  child.on("error", () => undefined); // `child.pid` says below that it did not start
  if (child.pid === undefined) throw new Error(`${options.name}: cannot start ${command}. Is it installed?`);
  const tree = new ProcessTree(child.pid);
  const service: Service = { name: options.name, child, tree, stop: () => stop(service) };
  running.add(service);
  return service;
}

async function stop(service: Service): Promise<void> {
  running.delete(service);
  if (ended(service.child)) return;
  const gone = new Promise<void>((resolve) => service.child.once("exit", () => resolve()));
  const family = service.tree.pids();
  service.child.kill("SIGTERM");
  await Promise.race([gone, pause(3_000, undefined, { ref: false })]);
  if (!ended(service.child)) family.forEach(kill);
}

/** Ends everything at once: for a run that is interrupted or has failed. */
export function killAll(): void {
  for (const service of running) if (!ended(service.child)) service.tree.pids().forEach(kill);
  running.clear();
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** A port of loopback that nobody listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Resolves when something accepts connections on the port, rejects with the end of its log where it does not come up. */
export async function listening(service: Service, port: number, logFile: string, signal: AbortSignal): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await accepts(port))) {
    signal.throwIfAborted();
    if (ended(service.child) || performance.now() > end) {
      await service.stop();
      throw new Error(`${service.name} did not start: ${readFileSync(logFile, "utf8").trim().slice(-600)}`);
    }
    await pause(5);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
