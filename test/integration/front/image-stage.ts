import type { Test } from "tap";
import { type ChallengedClient, challengedClient, type Login } from "../../fixtures/challenged-client.ts";
import { type FrontClient, frontClient } from "../../fixtures/front-client.ts";
import { type ProxyOptions, type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { type FixtureRegistry, type RegistryOptions, startRegistry } from "../../fixtures/registry.ts";

/** The registry behind the image proxy, and where that one is. */
export const upstream = "reg.test";
export const self = "https://images.test";
export const alice: Login = { user: "alice", password: "hers:with:colons" };
export const accounts = [alice, { user: "bob", password: "his" }]
  .map(({ user, password }) => Buffer.from(`${user}:${password}`).toString("base64"))
  .join(",");

export interface ImageStage {
  readonly registry: FixtureRegistry;
  readonly proxy: RunningProxy;
  readonly front: FrontClient;
  /** Somebody with a login, or nobody. */
  client(login?: Login): ChallengedClient;
}

export interface ImageStageOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: ProxyOptions["clock"];
  readonly directory?: string;
  readonly registry?: Partial<RegistryOptions>;
  /** Of a stage before, in place of a new one. */
  readonly running?: FixtureRegistry;
  /** Besides the registry. */
  readonly upstreams?: ProxyOptions["upstreams"];
}

/** A registry as a fixture, and an image proxy in front of it. */
export async function imageStage(t: Test, options: ImageStageOptions = {}): Promise<ImageStage> {
  const registry = options.running ?? (await startRegistry(t, { names: [upstream], ...options.registry }));
  const proxy = await startProxy(t, {
    upstreams: [registry, ...(options.upstreams ?? [])],
    env: { UPSTREAM_REGISTRY: `https://${upstream}`, SELF_REGISTRY: self, REGISTRIES: "none", ...options.env },
    ...(options.clock && { clock: options.clock }),
    ...(options.directory !== undefined && { directory: options.directory }),
  });
  const front = frontClient(proxy.port);
  return { registry, proxy, front, client: (login) => challengedClient(front, self, login) };
}

/** An htpasswd registry's `authorize`. */
export function wantsPair({ user, password }: Login) {
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  return ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }): string | undefined =>
    headers["authorization"] === basic ? undefined : 'Basic realm="Registry Realm"';
}
