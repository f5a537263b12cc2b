import { defaultPorts, type HostPort, type Origin } from "../core/origin.ts";

/** The origin of a host that the proxy serves; undefined for any other. */
export type Intercepts = (scheme: "https" | "http", host: string, port: number) => Origin | undefined;

/** Docker Hub's registry goes by another name than its images. */
const dockerHub = "registry-1.docker.io";
const dockerHubNames = new Set(["docker.io", "index.docker.io"]);

/** The host of the registry that has the images of a name. */
export function registryHostOf(name: string): string {
  return dockerHubNames.has(name) ? dockerHub : name;
}

/** The registry that clients name by its host, or by that of its images; undefined where it is not served. */
export function registryOf({ host, port }: HostPort, intercepts: Intercepts): Origin | undefined {
  return intercepts("https", registryHostOf(host), port ?? defaultPorts.https);
}

/** A repository at a registry, for what a client calls it. */
export function repositoryAt({ host }: Origin, name: string): string {
  return host === dockerHub && !name.includes("/") ? `library/${name}` : name;
}

/** The target at a registry: Docker Hub's official images are called by one word, and live under `library/`. */
export function targetAt({ host }: Origin, target: string): string {
  if (host !== dockerHub) return target;
  return target.replace(/^\/v2\/([^/?]+)\/(manifests|blobs|tags|referrers)\/(?=[^/?]+(?:\?|$))/, "/v2/library/$1/$2/");
}
