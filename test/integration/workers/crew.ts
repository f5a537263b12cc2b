import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "tap";
import { ProxyProcess } from "../../fixtures/proxy-process.ts";
import { type ProxyOptions, type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { type FixtureRegistry, type RegistryOptions, startRegistry } from "../../fixtures/registry.ts";
import { hub } from "../stage.ts";

export interface CrewStage {
  readonly registry: FixtureRegistry;
  readonly proxy: RunningProxy;
  readonly process: ProxyProcess;
  /** So many clients, whose connections are at the workers in turns. */
  clients(count: number): ProxyClient[];
}

/** Docker Hub as a fixture, and a proxy of several workers in front of it. */
export async function crewStage(
  t: Test,
  options: { readonly workers?: number; readonly registry?: RegistryOptions } & Omit<ProxyOptions, "upstreams"> = {},
): Promise<CrewStage> {
  const registry = await startRegistry(t, { names: [hub], ...options.registry });
  const env = { WORKERS: String(options.workers ?? 2), ...options.env };
  const proxy = await startProxy(t, { ...options, upstreams: [registry], env });
  const { end } = proxy;
  if (!(end instanceof ProxyProcess)) throw new Error("It is one process.");
  const clients = (count: number): ProxyClient[] => {
    return Array.from({ length: count }, (_, turn) => {
      const suits = async (socket: Socket): Promise<boolean> => {
        const pid = await workerOf(end, socket);
        const pids = end.workers().toSorted((one, other) => one - other);
        return pid === pids[turn % pids.length];
      };
      const client = proxy.client(hub, { suits });
      t.teardown(() => client.close());
      return client;
    });
  };
  return { registry, proxy, process: end, clients };
}

/** The worker that has the other end of a connection: the kernel chose it. */
export async function workerOf(crew: ProxyProcess, { localPort, remotePort }: Socket): Promise<number> {
  const hex = (port = 0): string => `:${port.toString(16).padStart(4, "0").toUpperCase()}`;
  return await eventually(() => {
    const table = readFileSync("/proc/net/tcp", "utf8").split("\n");
    const line = table
      .map((text) => text.trim().split(/\s+/))
      .find(([, local, remote]) => {
        return local?.endsWith(hex(remotePort)) === true && remote?.endsWith(hex(localPort)) === true;
      });
    const link = `socket:[${line?.[9]}]`;
    return crew.workers().find((pid) => linksOf(pid).includes(link));
  });
}

function linksOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((name) => readlinkSync(join(folder, name)));
  } catch {
    // It, or one of its descriptors, is gone meanwhile: looked at again.
    return [];
  }
}

export interface SpoolFile {
  /** Of the process that made it. */
  readonly pid: number;
  readonly path: string;
  readonly size: number;
}

/** What is being fetched at the moment. */
export function spools({ directory }: RunningProxy): SpoolFile[] {
  const folder = join(directory, "cache", "tmp");
  return readdirSync(folder).flatMap((name) => {
    const size = statSync(join(folder, name), { throwIfNoEntry: false })?.size;
    return size === undefined ? [] : [{ pid: Number(name.split("-")[0]), path: join(folder, name), size }];
  });
}

/** Waits until something holds that other processes bring about. */
export async function eventually<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await delay(10);
  }
}
