import type { Challenge } from "../core/challenge.ts";
import { EntrepotError } from "../core/errors.ts";
import { endToEnd } from "../core/headers.ts";
import { type Origin, parseHostPort } from "../core/origin.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { withoutIdentity } from "../serve/identity.ts";
import type { Standing } from "../serve/standing.ts";
import { sendError } from "../serve/write.ts";
import { type Intercepts, registryOf, repositoryAt, targetAt } from "./docker-hub.ts";
import { mapScope, type Renamed, withRepository } from "./names.ts";
import { isReading } from "./ping.ts";
import { type PublicUrl, urlOf } from "./public-url.ts";
import { createView, type Seen } from "./seen.ts";
import { tokenServiceOf } from "./token-service.ts";

export interface PullThroughParts {
  /** Of the front. */
  readonly name: string;
  /** Whether its clients have accounts at the front, so that what they send is for us. */
  readonly hasAccounts: boolean;
  readonly intercepts: Intercepts;
  readonly registry: Handler;
  readonly standing: Standing;
  readonly isPlain: (origin: Origin) => boolean;
  readonly publicUrl: PublicUrl;
}

/** One request below /v2/proxy/<host>/. */
interface Asked {
  readonly origin: Origin;
  /** The registry's host, as the client spells it. */
  readonly host: string;
  /** What follows it: path and query. */
  readonly rest: string;
}

/** Answers what is below `/v2/proxy/<host>/` from that registry, and what it answers speaks of the names that the client knows. Rejects with what is to be told. */
export function createPullThrough(parts: PullThroughParts): Handler {
  return async (exchange) => {
    try {
      const asked = readTarget(parts, exchange);
      if (!isReading(exchange)) {
        // dockerd tries every other refusal of a push five times, for a minute.
        const problem = "Names below proxy/ are other registries'; push under another name, or to the registry itself.";
        sendError(exchange, new EntrepotError("UNSUPPORTED", problem), { allow: "GET, HEAD" });
        return;
      }
      await (isToken(asked) ? askForToken(parts, exchange, asked) : pull(parts, exchange, asked));
    } catch (error) {
      sendError(exchange, error);
    }
  };
}

/** Throws NAME_INVALID where there is no host, DENIED where it is none of ours. */
function readTarget({ intercepts }: PullThroughParts, { arrival: { target } }: Exchange): Asked {
  const [, given = "", rest = ""] = /^\/v2\/proxy\/([^/?]*)(?:\/(.*))?$/s.exec(target) ?? [];
  const host = decoded(given);
  const parsed = parseHostPort(host);
  // As in every image's name, the first part is a host where it has a dot or a port.
  if (parsed === undefined || !/[.:]|^localhost$/.test(host)) {
    const problem = "After proxy/ the host of a registry is expected, as in proxy/quay.io/team/app.";
    throw new EntrepotError("NAME_INVALID", problem);
  }
  const origin = registryOf(parsed, intercepts);
  if (origin !== undefined) return { origin, host, rest };
  const problem = `${host} is not among the registries that are pulled through; REGISTRIES on this proxy would have to name it.`;
  throw new EntrepotError("DENIED", problem);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text).toLowerCase();
  } catch {
    return text;
  }
}

async function pull(parts: PullThroughParts, exchange: Exchange, asked: Asked): Promise<void> {
  const { name, hasAccounts, registry } = parts;
  const { origin, host, rest } = asked;
  const target = targetAt(origin, `/v2/${rest}`);
  const own = nameHere(asked);
  exchange.enter({
    front: name,
    origin,
    target,
    allowPush: false,
    anonymously: true,
    ...(hasAccounts && { headers: withoutIdentity(endToEnd(exchange.headers)) }),
    view: createView({
      upstream: origin,
      target,
      name: own,
      path: (its) =>
        withRepository(its, own) ?? (its.startsWith("/v2/") ? `/v2/proxy/${host}/${its.slice(4)}` : undefined),
      challenge: challengeHere(parts, exchange, asked),
      fields: (_, fields) => cacheField(fields["x-docker-registry-proxy-cache-upstream-status"]),
    }),
  });
  await registry(exchange);
}

function nameHere({ host }: Asked): (repository: string) => string {
  return (repository) => `proxy/${host}/${repository}`;
}

function nameThere({ origin, host }: Asked): Renamed {
  const prefix = `proxy/${host}/`;
  return (name) => (name.startsWith(prefix) ? repositoryAt(origin, name.slice(prefix.length)) : undefined);
}

/** Who has an account here is shown none: its client would answer it with what is ours. To others a token service is here too, for names as they are here. */
function challengeHere(
  { hasAccounts, publicUrl }: PullThroughParts,
  exchange: Exchange,
  asked: Asked,
): NonNullable<Seen["challenge"]> {
  if (hasAccounts) return () => undefined;
  return ({ scheme, parameters }): Challenge => {
    const { realm, scope, ...others } = parameters;
    if (scheme !== "bearer" || realm === undefined) return { scheme, parameters };
    const here = { realm: `${urlOf(publicUrl(exchange))}/v2/proxy/${asked.host}/${tokenPath}`, ...others };
    const known = scope === undefined ? "" : mapScope(scope, nameHere(asked));
    return { scheme, parameters: known === "" ? here : { ...here, scope: known } };
  };
}

/** No repository's name begins with an underscore. */
const tokenPath = "_token";

function isToken({ rest }: Asked): boolean {
  return rest.split("?", 1)[0] === tokenPath;
}

/** The registry's token service, asked for the names that it knows, with what the client sent. */
async function askForToken(parts: PullThroughParts, exchange: Exchange, asked: Asked): Promise<void> {
  const { name, hasAccounts, registry, standing, isPlain } = parts;
  const { origin, rest } = asked;
  exchange.trace.kind = "token";
  const { challenge } = hasAccounts ? {} : await standing(origin, exchange.signal);
  const service = tokenServiceOf(challenge, undefined, isPlain(origin));
  if (service === undefined)
    throw new EntrepotError("NOT_FOUND", "There are no tokens here: this registry is asked without, or by us.");
  const query = new URLSearchParams(rest.slice(tokenPath.length + 1));
  const scopes = query.getAll("scope").map((scope) => mapScope(scope, nameThere(asked)));
  query.delete("scope");
  for (const scope of scopes) if (scope !== "") query.append("scope", scope);
  const target = `${service.path}${service.path.includes("?") ? "&" : "?"}${query.toString()}`;
  exchange.enter({ front: name, origin: service.origin, target, allowPush: false });
  await registry(exchange);
}

const fromCache: ReadonlySet<unknown> = new Set(["HIT", "STALE", "UPDATING", "REVALIDATED"]);

function cacheField(status: unknown): Record<string, string> {
  return status === undefined ? {} : { "proxy-docker-cache": fromCache.has(status) ? "HIT" : "MISS" };
}
