import { createInspector, type Inspector } from "../admin/inspector.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { HttpEvent } from "../observe/redact.ts";

/** The pages of DEBUG and DEBUG_HUB, and what feeds them; undefined where one is off, so that it costs nothing. */
export interface Inspectors {
  readonly seenClient: ((event: HttpEvent) => void) | undefined;
  readonly seenUpstream: ((event: HttpEvent) => void) | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createInspectors(config: Config, clock: Clock): Inspectors {
  const hosts = config.host;
  const client = config.debug
    ? createInspector({ title: "Clients' side", hosts, port: config.debugPort, clock })
    : undefined;
  const upstream = config.debugHub
    ? createInspector({ title: "Upstream side", hosts, port: config.debugHubPort, clock })
    : undefined;
  const all = [client, upstream].filter((one): one is Inspector => one !== undefined);
  return {
    seenClient: client?.add,
    seenUpstream: upstream?.add,
    async start() {
      await Promise.all(all.map((inspector) => inspector.start()));
    },
    async stop() {
      await Promise.all(all.map((inspector) => inspector.stop()));
    },
  };
}
