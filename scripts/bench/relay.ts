import path from "node:path";
import { type Service, freePort, launch, listening } from "./processes.ts";

export interface RelayOptions {
  readonly target: number;
  /** Milliseconds to the target and back. */
  readonly distance: number;
  readonly logFile: string;
  readonly cpus: string | undefined;
  readonly signal: AbortSignal;
}

/** Makes something on loopback as slow to reach as something far away. It limits no throughput but by its own CPU. */
export async function startRelay(options: RelayOptions): Promise<{ port: number; service: Service }> {
  const port = await freePort();
  const service = launch({
    name: "relay",
    command: process.execPath,
    args: [path.join(import.meta.dirname, "relay-server.ts")],
    env: { PORT: String(port), TARGET: String(options.target), DELAY: String(options.distance / 2) },
    cpus: options.cpus,
    logFile: options.logFile,
  });
  await listening(service, port, options.logFile, options.signal);
  return { port, service };
}
