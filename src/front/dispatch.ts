import type { ClaimedPaths } from "../config/front-claims.ts";
import { parseHostPort } from "../core/origin.ts";
import type { Handler } from "../serve/exchange.ts";
import type { Front } from "./types.ts";

/** What of a request says which front it is for. */
export interface Asked {
  /** The Host header; undefined where there is none, as in HTTP/1.0. */
  readonly host: string | undefined;
  /** Path and query. */
  readonly target: string;
}

export interface DispatchParts {
  readonly fronts: readonly Front[];
  /** The proxy's own endpoints. */
  readonly own: Handler;
  readonly isOwnPath: (path: string) => boolean;
  /** docker.caching.proxy.internal, which is no front's. */
  readonly isOwnName: (host: string) => boolean;
}

/** Hands an exchange in origin form to the front that it is for, else to the proxy's own endpoints. */
export function createDispatch({ fronts, own, isOwnPath, isOwnName }: DispatchParts): Handler {
  const choose = createChoice(fronts, isOwnPath);
  return (exchange) => {
    const { host } = exchange.request.headers;
    if (host !== undefined && isOwnName(parseHostPort(host)?.host ?? "")) return own(exchange);
    const front = choose({ host, target: exchange.arrival.target });
    if (front === undefined) return own(exchange);
    exchange.trace.front = front.name;
    return front.handler(exchange);
  };
}

/** The more a claim says of a request, the sooner it counts; what yields comes last. */
const precedence: readonly ClaimedPaths[] = ["ns", "proxy", "registry", "all"];

/**
 * Chooses a front. Pure. A front that is named for a host has all of that host, the proxy's own endpoints too; of those, one that answers
 * everything has "/" under every other name.
 */
export function createChoice(
  fronts: readonly Front[],
  isOwnPath: (path: string) => boolean,
): (asked: Asked) => Front | undefined {
  const ordered = fronts
    .flatMap((front) => front.claims.map((claim) => ({ front, claim })))
    .toSorted((one, other) => rankOf(one.claim) - rankOf(other.claim));
  return ({ host, target }) => {
    const path = target.split("?", 1)[0] ?? target;
    const parsed = host === undefined ? undefined : parseHostPort(host);
    const named = ordered.filter(({ front }) =>
      front.hosts.some((own) => own.host === parsed?.host && (own.port ?? parsed.port) === parsed.port),
    );
    if (named.length > 0) return named.find(({ claim }) => fits(claim, target, path))?.front;
    const own = isOwnPath(path);
    return ordered.find(
      ({ front, claim }) =>
        front.hosts.length === 0 && fits(claim, target, path) && (!own || (claim.paths === "all" && path === "/")),
    )?.front;
  };
}

function rankOf({ paths, yields }: { readonly paths: ClaimedPaths; readonly yields: boolean }): number {
  return precedence.indexOf(paths) + (yields ? precedence.length : 0);
}

function fits(
  { paths, endpoints }: { readonly paths: ClaimedPaths; readonly endpoints: readonly string[] },
  target: string,
  path: string,
): boolean {
  if (paths === "all" || endpoints.includes(path)) return true;
  if (path !== "/v2" && !path.startsWith("/v2/")) return false;
  if (paths === "ns") return namespaceOf(target) !== undefined;
  return paths === "registry" || path.startsWith("/v2/proxy/");
}

/** The registry that containerd names in `?ns=`; undefined where it does not. */
export function namespaceOf(target: string): string | undefined {
  const query = target.indexOf("?");
  if (query === -1) return undefined;
  return new URLSearchParams(target.slice(query + 1)).get("ns") ?? undefined;
}

/** The target without its `ns`, each other parameter as it stood. */
export function withoutNamespace(target: string): string {
  const [path = "", query = ""] = target.split(/\?(.*)/s, 2);
  const kept = query.split("&").filter((parameter) => !/^ns(?:=|$)/.test(parameter) && parameter !== "");
  return kept.length === 0 ? path : `${path}?${kept.join("&")}`;
}
