import { compose, type Service } from "../compose/service.ts";
import type { LoadedConfig } from "../config/load.ts";
import { createLog, type Log } from "../observe/log.ts";
import type { Io, StopMode } from "./io.ts";
import { exitCodes } from "./run.ts";
import { startScreen } from "./screen.ts";
import { packageVersion } from "./version.ts";

/** Runs the proxy until it is told to stop; resolves with the exit code. Rejects with CONFIG_INVALID or CA_INVALID where it cannot start. */
export async function start(loaded: LoadedConfig, { stdout, stderr, signals }: Io): Promise<number> {
  const { config } = loaded;
  const format = config.logFormat === "auto" ? (stdout.isTTY === true ? "pretty" : "json") : config.logFormat;
  const log = createLog({ level: config.logLevel, format });
  const service = await compose(config, { log, version: packageVersion() });
  const stopped = whenStopped(service, signals, config.shutdownTimeout, log);
  const listening = await service.start();
  // To stderr: what stands on stdout are log lines, which machines read.
  stderr.write(startScreen({ version: packageVersion(), loaded, listening, authority: service.authority }));
  log.info({ event: "listening", listening, fingerprint: service.authority.fingerprint }, "ready");
  await stopped;
  return exitCodes.ok;
}

function whenStopped(service: Service, signals: Io["signals"], limit: number, log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    signals.onStop((how: StopMode) => {
      log.info({ event: "stopping", how }, how === "drain" ? "stopping when what runs has ended" : "stopping at once");
      service.stop(how, limit).then(resolve, reject);
    });
  });
}
