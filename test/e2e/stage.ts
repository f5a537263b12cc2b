import type { Test } from "tap";
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
