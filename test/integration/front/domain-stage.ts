import type { Test } from "tap";
import { type FrontClient, frontClient } from "../../fixtures/front-client.ts";
import { manifestAccept, type Received } from "../../fixtures/proxy-client.ts";
import { type ProxyOptions, type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import type { Image } from "../../fixtures/registry-content.ts";
import { type FixtureRegistry, startRegistry } from "../../fixtures/registry.ts";
import { startTokenServer, type TokenServer } from "../../fixtures/token-server.ts";

export const prefix = "team/images";
/** What clients of the front call it. */
export const domain = "pull.test";

export interface DomainStage {
  readonly registry: FixtureRegistry;
  /** Undefined where the registry asks for none. */
  readonly tokens: TokenServer | undefined;
  readonly proxy: RunningProxy;
  readonly client: FrontClient;
}

export interface DomainOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly auth?: "token" | "none";
  readonly directory?: ProxyOptions["directory"];
}

/** A registry with `team/images/open` for everybody and `team/images/closed` for alice, and a front for it. */
export async function domainStage(
  t: Test,
  { env, auth = "token", directory }: DomainOptions = {},
): Promise<DomainStage> {
  const tokens =
    auth === "none"
      ? undefined
      : await startTokenServer(t, {
          names: ["auth.test"],
          realmPort: 443,
          service: "reg.test",
          anonymous: [`${prefix}/open`],
          users: { alice: { password: "wonder", pull: ["*"], push: [`${prefix}/closed`, `${prefix}/new`] } },
        });
  const registry = await startRegistry(t, { names: ["reg.test"], ...(tokens && { authorize: tokens.authorize }) });
  const proxy = await startProxy(t, {
    upstreams: tokens === undefined ? [registry] : [registry, tokens],
    env: { REGISTRY_HOST: "reg.test", REPO_PREFIX: prefix, ...env },
    ...(directory !== undefined && { directory }),
  });
  const { request } = frontClient(proxy.port);
  return {
    registry,
    tokens,
    proxy,
    client: { request: (path, options) => request(path, { host: domain, ...options }) },
  };
}

export function imageIn(registry: FixtureRegistry, repository: string): Image {
  return registry.image({
    repository: `${prefix}/${repository}`,
    tag: "1",
    layers: [Buffer.from(`layer of ${repository}`)],
  });
}

/** A token as a client gets one that follows a challenge. */
export async function tokenFor(client: FrontClient, scope: string, credentials?: string): Promise<string> {
  const query = new URLSearchParams({ service: "reg.test", scope });
  const headers = credentials === undefined ? {} : basic(credentials);
  const answer = await client.request(`/_token?${query.toString()}`, { headers });
  return (JSON.parse(answer.body.toString()) as { token: string }).token;
}

export function basic(credentials: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` };
}

/** GET of a manifest by tag, with a token where one is given. */
export function manifest(client: FrontClient, repository: string, token?: string): Promise<Received> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return client.request(`/v2/${repository}/manifests/1`, { headers: { accept: manifestAccept, ...authorization } });
}

/** Everything that an answer says, as one text. */
export function saidBy({ headers, body }: Received): string {
  return `${JSON.stringify(headers)}\n${body.toString("latin1")}`;
}
