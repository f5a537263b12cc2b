import type { Test } from "tap";
import { type LogLine, type ProxyOptions, type RunningProxy, startProxy } from "../fixtures/proxy.ts";
import type { ProxyClient, Received } from "../fixtures/proxy-client.ts";
import { type FixtureRegistry, type RegistryOptions, startRegistry } from "../fixtures/registry.ts";

/** The registry that most tests speak of. */
export const hub = "registry-1.docker.io";

export interface Stage {
  readonly registry: FixtureRegistry;
  readonly proxy: RunningProxy;
  /** Of Docker Hub. */
  readonly client: ProxyClient;
}

export interface StageOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: ProxyOptions["clock"];
  readonly registry?: RegistryOptions;
  /** Besides Docker Hub's. */
  readonly upstreams?: ProxyOptions["upstreams"];
}

/** Docker Hub as a fixture, the whole proxy in front of it, and a client. */
export async function stage(t: Test, options: StageOptions = {}): Promise<Stage> {
  const registry = await startRegistry(t, { names: [hub], ...options.registry });
  const proxy = await startProxy(t, {
    upstreams: [registry, ...(options.upstreams ?? [])],
    ...(options.env && { env: options.env }),
    ...(options.clock && { clock: options.clock }),
  });
  return { registry, proxy, client: clientOf(t, proxy) };
}

/** A client that is closed when the test ends. */
export function clientOf(t: Test, proxy: RunningProxy, host = hub): ProxyClient {
  const client = proxy.client(host);
  t.teardown(() => client.close());
  return client;
}

/** A clock that stands 65 days back, so that the certificates made at its time hold at the clients', however far a test moves it. */
export class MovableClock {
  time = Date.now() - 65 * 86_400_000;
  now(): number {
    return this.time;
  }
}

/** Waits until something holds that events of this process bring about. */
export async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The lines of exchanges, tunnels and refusals, not those of the program itself. */
export function exchangeLines(proxy: RunningProxy): LogLine[] {
  return proxy.logLines.filter((line) => "door" in line);
}

/** Stops the proxy, after which every exchange has its line, and gives them. */
export async function finalLines(proxy: RunningProxy): Promise<LogLine[]> {
  await proxy.stop("now");
  return exchangeLines(proxy);
}

/** The line of the next exchange that fits; it is written when the response is over, which may be after the client has it. */
export function lineOf(proxy: RunningProxy, fits: (line: LogLine) => boolean): Promise<LogLine> {
  return until(() => exchangeLines(proxy).find(fits));
}

/** The first entry of an OCI error body. */
export function ociError({ body }: Received): { code: string; message: string } {
  const parsed = JSON.parse(body.toString()) as { errors: { code: string; message: string }[] };
  const [error] = parsed.errors;
  if (error === undefined) throw new Error("The error body holds no error.");
  return error;
}

export const cacheStatus = "x-docker-registry-proxy-cache-upstream-status";
