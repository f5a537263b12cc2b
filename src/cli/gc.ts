import { stat } from "node:fs/promises";
import { gcSentence, openHosted } from "../hosted/hosted.ts";
import type { Config } from "../config/schema.ts";
import { systemClock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { createLog } from "../observe/log.ts";
import type { Io } from "./io.ts";

/**
 * `entrepot gc`: removes what no manifest of the registry refers to, whether a proxy runs on its storage or not. Resolves with the exit code.
 * Rejects with CONFIG_INVALID where there is no such directory, with STORAGE_BUSY where another collector is at work.
 */
export async function gc(config: Config, { stdout, signals }: Pick<Io, "stdout" | "signals">): Promise<number> {
  const { registryStorage: storage, temporaryRegistryStorage: uploads, uploadTtl, gcGrace } = config;
  if (storage === undefined || (await stat(storage).catch(() => undefined))?.isDirectory() !== true) {
    throw new EntrepotError(
      "CONFIG_INVALID",
      storage === undefined
        ? "REGISTRY_STORAGE: it is not set; name the directory of the registry."
        : `REGISTRY_STORAGE: there is no directory ${storage}; name the one of the registry.`,
    );
  }
  const stop = new AbortController();
  signals.onStop(() => stop.abort());
  const log = createLog({ level: config.logLevel, format: "json" });
  const hosted = await openHosted({ storage, uploads, uploadTtl, gcInterval: 0, gcGrace, clock: systemClock, log });
  try {
    stdout.write(`${gcSentence(await hosted.gc(stop.signal))}\n`);
    return 0;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    stdout.write("Stopped before all of it was looked at.\n");
    return 1;
  } finally {
    await hosted.close();
  }
}
