import { openDoors, openPrimary } from "../compose/primary.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { asEntrepotError } from "../core/errors.ts";
import type { Reservation } from "../listen/reservation.ts";
import type { Log } from "../observe/log.ts";
import { Crew } from "../workers/crew.ts";
import type { StopMode } from "./io.ts";
import { exitCodes } from "./run.ts";
import { startScreen } from "./screen.ts";
import type { StartParts } from "./start-parts.ts";
import { packageVersion } from "./version.ts";

export interface SuperviseParts extends StartParts {
  readonly log: Log;
  readonly size: (config: Config, log: Log) => number;
}

/** What the primary was started with and cannot change while it runs. */
const lasting = ["cacheDir", "caDir", "caCrtFile", "caKeyFile", "logFormat", "logLevel"] as const;

/** The primary of several workers: keeps what is one for all of them, and replaces those that end or are to be renewed. */
export async function supervise(loaded: LoadedConfig, parts: SuperviseParts): Promise<number> {
  const { io, clock, load, log, size } = parts;
  const version = packageVersion();
  let current = loaded;
  const service = await openPrimary(loaded.config, { log, version, clock, workers: () => crew.size });
  const crew: Crew<Reservation> = new Crew({ primary: service.primary, log });
  try {
    const stopped = new Promise<void>((resolve, reject) => {
      io.signals.onStop((how: StopMode) => {
        log.info(
          { event: "stopping", how },
          how === "drain" ? "stopping when what runs has ended" : "stopping at once",
        );
        crew.stop(how, current.config.shutdownTimeout).then(resolve, reject);
      });
    });
    // One that comes while it starts is done when it has.
    io.signals.onReload(() => void reload());
    const listening = await crew.start(size(loaded.config, log), (workers, earlier) =>
      openDoors(loaded.config, workers, log, earlier),
    );
    io.stderr.write(startScreen({ version, loaded, listening, authority: service.authority, workers: crew.size }));
    const { fingerprint } = service.authority;
    log.info({ event: "listening", listening, fingerprint, workers: crew.size }, "ready");
    await stopped;
    return exitCodes.ok;
  } finally {
    service.close();
  }

  /** Never rejects: where the new configuration cannot be run, all stays as it was. */
  async function reload(): Promise<void> {
    log.info({ event: "reload" }, "reading configuration and program anew");
    try {
      const next = await load();
      const { config } = next;
      const kept = lasting.filter((name) => config[name] !== current.config[name]);
      if (kept.length > 0)
        log.warn({ event: "reload", options: kept }, "these options take a restart; until then the old values count");
      await crew.reload(Math.max(1, size(config, log)), config.shutdownTimeout, (workers, earlier) =>
        openDoors(config, workers, log, earlier),
      );
      service.configure(config);
      current = next;
      log.info({ event: "reloaded", workers: crew.size }, "new workers serve; the old ones end what they have");
    } catch (error) {
      log.error({ event: "reload", problem: asEntrepotError(error).message }, "nothing was changed");
    }
  }
}
