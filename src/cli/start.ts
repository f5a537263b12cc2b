import cluster from "node:cluster";
import { availableParallelism } from "node:os";
import { compose, type Service } from "../compose/service.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { createLog, type Log } from "../observe/log.ts";
import type { Io, StopMode } from "./io.ts";
import { exitCodes } from "./run.ts";
import { startScreen } from "./screen.ts";
import type { StartParts } from "./start-parts.ts";
import { packageVersion } from "./version.ts";

/** Runs the proxy until it is told to stop; resolves with the exit code. Rejects with CONFIG_INVALID or CA_INVALID where it cannot start. */
export async function start(loaded: LoadedConfig, parts: StartParts): Promise<number> {
  const { config } = loaded;
  const log = openLog(config, parts.io);
  if (cluster.isWorker) return await (await import("./work.ts")).work(loaded, { ...parts, log });
  const size = workersOf(config, log);
  if (size === 1) return await alone(loaded, { ...parts, log });
  return await (await import("./supervise.ts")).supervise(loaded, { ...parts, log, size: workersOf });
}

/** One process that does everything. */
async function alone(loaded: LoadedConfig, { io, clock, log }: StartParts & { readonly log: Log }): Promise<number> {
  const { signals, stderr } = io;
  const { config } = loaded;
  signals.onReload(() => {
    log.warn(
      { event: "reload" },
      "With one worker a changed configuration takes a restart; from WORKERS=2 on, SIGHUP does.",
    );
  });
  const service = await compose(config, { log, version: packageVersion(), clock });
  const stopped = whenStopped(service, signals, config.shutdownTimeout, log);
  const listening = await service.start();
  // To stderr: what stands on stdout are log lines, which machines read.
  stderr.write(startScreen({ version: packageVersion(), loaded, listening, authority: service.authority, workers: 1 }));
  log.info({ event: "listening", listening, fingerprint: service.authority.fingerprint }, "ready");
  await stopped;
  return exitCodes.ok;
}

function openLog(config: Config, { stdout }: Io): Log {
  const format = config.logFormat === "auto" ? (stdout.isTTY === true ? "pretty" : "json") : config.logFormat;
  return createLog({ level: config.logLevel, format });
}

/**
 * How many workers a configuration asks for: auto counts affinity and the quota of cgroups too (libuv, uv_available_parallelism). An inspector is to
 * see every exchange, which is one process's to show.
 */
function workersOf({ workers, debug, debugHub }: Config, log: Log): number {
  const wanted = workers === "auto" ? availableParallelism() : workers;
  if (wanted === 1 || (!debug && !debugHub)) return wanted;
  const told = "DEBUG and DEBUG_HUB show one process: there is one worker as long as they are on.";
  // Nobody has asked for more.
  if (workers === "auto") log.info({ event: "workers" }, told);
  else log.warn({ event: "workers" }, told);
  return 1;
}

function whenStopped(service: Service, signals: Io["signals"], limit: number, log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    signals.onStop((how: StopMode) => {
      log.info({ event: "stopping", how }, how === "drain" ? "stopping when what runs has ended" : "stopping at once");
      service.stop(how, limit).then(resolve, reject);
    });
  });
}
