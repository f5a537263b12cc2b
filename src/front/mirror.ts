import { EntrepotError } from "../core/errors.ts";
import { defaultPorts, type Origin, parseHostPort } from "../core/origin.ts";
import type { Handler } from "../serve/exchange.ts";
import { sendError } from "../serve/write.ts";
import { namespaceOf, withoutNamespace } from "./dispatch.ts";
import { createView } from "./seen.ts";

export interface MirrorParts {
  readonly name: string;
  /** The registry behind requests that name none. */
  readonly upstream: Origin;
  /** The origin of a host that the proxy serves; undefined for any other. */
  readonly intercepts: (scheme: "https" | "http", host: string, port: number) => Origin | undefined;
  readonly registry: Handler;
}

/** Docker Hub's registry goes by another name than its images. */
const dockerHub = "registry-1.docker.io";
const dockerHubNames = new Set(["docker.io", "index.docker.io"]);

/**
 * A mirror as containerd and dockerd use one: `/v2/<repository>/...?ns=<registry>`, or without `ns` for one registry. What it may not serve is a 404, at which
 * every client goes on to the registry itself.
 */
export function createMirror({ name, upstream, intercepts, registry }: MirrorParts): Handler {
  return async (exchange) => {
    const { target } = exchange.arrival;
    const namespace = namespaceOf(target);
    const origin = namespace === undefined ? upstream : originOf(namespace, intercepts);
    if (origin === undefined) {
      const problem = "This mirror does not serve that registry; name it in REGISTRIES for it to.";
      sendError(exchange, new EntrepotError("NAME_UNKNOWN", problem));
      return;
    }
    const path = withoutNamespace(target);
    const asked = origin.host === dockerHub ? withLibrary(path) : path;
    exchange.enter({
      front: name,
      origin,
      target: asked,
      allowPush: false,
      anonymously: true,
      view: createView({ upstream: origin, target: asked, path: (its) => below(its, namespace) }),
    });
    await registry(exchange);
  };
}

/** Where the mirror has what its registry has there: the next page of a list is asked for with `ns` again. */
function below(target: string, namespace: string | undefined): string | undefined {
  if (!target.startsWith("/v2/")) return undefined;
  if (namespace === undefined) return target;
  return `${target}${target.includes("?") ? "&" : "?"}ns=${encodeURIComponent(namespace)}`;
}

function originOf(namespace: string, intercepts: MirrorParts["intercepts"]): Origin | undefined {
  const parsed = parseHostPort(namespace);
  if (parsed === undefined) return undefined;
  const host = dockerHubNames.has(parsed.host) ? dockerHub : parsed.host;
  return intercepts("https", host, parsed.port ?? defaultPorts.https);
}

/** Docker Hub's official images are called by one word, and live under `library/`. */
function withLibrary(target: string): string {
  return target.replace(/^\/v2\/([^/?]+)\/(manifests|blobs|tags|referrers)\/(?=[^/?]+(?:\?|$))/, "/v2/library/$1/$2/");
}
