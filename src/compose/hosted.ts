import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { type Hosted, openHosted } from "../hosted/hosted.ts";
import type { Log } from "../observe/log.ts";

/** The registry of our own, where one is asked for. Rejects with CONFIG_INVALID where its storage cannot be used. */
export async function openRegistry(config: Config, clock: Clock, log: Log): Promise<Hosted | undefined> {
  const { registryStorage: storage, temporaryRegistryStorage: uploads, uploadTtl, gcInterval, gcGrace } = config;
  if (storage === undefined) return undefined;
  return await openHosted({ storage, uploads, uploadTtl, gcInterval, gcGrace, clock, log });
}
