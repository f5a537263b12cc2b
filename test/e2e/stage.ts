import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { startTokenServer, type TokenServer, type TokenUser } from "../fixtures/token-server.ts";
import { startUpstream, type Upstream } from "./daemons/docker-registry.ts";
import { type Proxy, startProxy } from "./daemons/proxy.ts";
import { type Image, makeImage } from "./images/image.ts";
import { type Authority, makeAuthority } from "./machine/authority.ts";
import { openPlace, type Place } from "./machine/place.ts";

/** The name of the private registry, and who may use it. */
export const privateHost = "registry.private.test";
export const login = { user: "alice", password: "s3cret:with:colons" };
/** In both registries, with different content. */
export const name = "library/app:1.2.3";

/** What most topics need: Docker Hub, a private registry, and the proxy before them. */
export interface Stage {
  readonly place: Place;
  readonly authority: Authority;
  readonly hub: Upstream;
  readonly hubImage: Image;
  readonly mine: Upstream;
  readonly mineImage: Image;
  readonly proxy: Proxy;
}

/**
 * Starts them for the length of `t`. The proxy has no variables but those that say where the upstreams are, whom to
 * trust, and `variables`. It is not given the private registry's login.
 */
export async function setStage(t: Test, variables: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const place = openPlace(t);
  const authority = makeAuthority(place);
  const hub = await startUpstream(place, { authority, hosts: ["registry-1.docker.io"] });
  const mine = await startUpstream(place, { authority, hosts: [privateHost], login });
  const hubImage = makeImage(place.folder("hub-image"), "from the hub");
  const mineImage = makeImage(place.folder("mine-image"), "from the private registry");
  await hub.push(hubImage, name);
  await mine.push(mineImage, name);
  const proxy = await startProxy(place, {
    HOST_MAP: `${hub.hostMap} ${mine.hostMap}`,
    REGISTRIES: privateHost,
    UPSTREAM_CA_FILE: authority.file,
    ...variables,
  });
  return { place, authority, hub, hubImage, mine, mineImage, proxy };
}

/** The value of AUTH_REGISTRIES that holds the private registry's login. */
export const injected = `${privateHost}:${login.user}:${login.password}`;

export interface GuardedOptions {
  readonly registry: string;
  /** The token service's host, and the path of its tokens there. */
  readonly service: string;
  readonly path: string;
  readonly users?: Readonly<Record<string, TokenUser>>;
  /** Repositories that everybody may pull. */
  readonly anonymous?: readonly string[];
  /** The content of each repository's tag `1`. */
  readonly contents: Readonly<Record<string, string>>;
}

/** A registry that wants tokens of a service on another host. */
export interface Guarded {
  readonly place: Place;
  readonly authority: Authority;
  readonly upstream: Upstream;
  readonly tokens: TokenServer;
  readonly hostMap: string;
  /** By repository. */
  readonly images: Readonly<Record<string, Image>>;
  /** Ends the registry and its token service, before the test does. */
  stop(): Promise<void>;
}

export async function setGuarded(t: Test, options: GuardedOptions): Promise<Guarded> {
  const { registry, service, path, users = {}, anonymous = [], contents } = options;
  const place = openPlace(t);
  const authority = makeAuthority(place);
  const undos: (() => Promise<unknown> | void)[] = [];
  const ending = { teardown: (undo: () => Promise<unknown> | void) => void undos.push(undo) };
  const stopTokens = async (): Promise<void> => {
    for (const undo of undos.splice(0)) await undo();
  };
  const tokens = await startTokenServer(ending, {
    names: [service],
    realmPort: 443,
    path,
    service: registry,
    users,
    anonymous,
  });
  place.atEnd(stopTokens);
  const certificates = join(place.directory, "tokens.pem");
  writeFileSync(certificates, tokens.rootCertificatePem);
  const storage = place.folder("storage");
  const open = await startUpstream(place, { authority, hosts: ["open.test"], storage });
  const images: Record<string, Image> = {};
  for (const [repository, content] of Object.entries(contents)) {
    const image = makeImage(place.folder(`image-${repository.replace("/", "-")}`), content);
    images[repository] = image;
    await open.push(image, `${repository}:1`);
  }
  await open.stop();
  const { realm, issuer } = tokens;
  const token = { realm, service: registry, issuer, rootcertbundle: certificates };
  const upstream = await startUpstream(place, { authority, hosts: [registry], storage, token });
  return {
    place,
    authority,
    upstream,
    tokens,
    hostMap: [upstream.hostMap, ...tokens.hostMap].join(" "),
    images,
    async stop() {
      await Promise.all([upstream.stop(), stopTokens()]);
    },
  };
}
