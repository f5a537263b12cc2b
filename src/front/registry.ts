import type { Accounts } from "../auth/accounts.ts";
import { EntrepotError } from "../core/errors.ts";
import { endToEnd } from "../core/headers.ts";
import { parseHostPort } from "../core/origin.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { withoutIdentity } from "../serve/identity.ts";
import { sendError } from "../serve/write.ts";
import { type Intercepts, registryOf, targetAt } from "./docker-hub.ts";
import { withRepository } from "./names.ts";
import { answerPing, isReading } from "./ping.ts";
import { createView } from "./seen.ts";

export interface RegistryFrontParts {
  readonly name: string;
  /** Who may use it; undefined: everybody. */
  readonly accounts: Accounts | undefined;
  readonly intercepts: Intercepts;
  /** Answers for other registries. */
  readonly registry: Handler;
  /** Answers for what was pushed here; undefined where nothing is. */
  readonly hosted: Handler | undefined;
}

/** A registry with two jobs: names below `proxy/<host>/` are another registry's, pulled through; all others are its own. */
export function createRegistryFront(parts: RegistryFrontParts): Handler {
  return async (exchange) => {
    if (!(await isAdmitted(parts.accounts, exchange))) return;
    const { target } = exchange.arrival;
    const [, host, rest] = /^\/v2\/proxy\/([^/?]*)(?:\/(.*))?$/s.exec(target) ?? [];
    if (host !== undefined) await pullThrough(parts, exchange, host, rest ?? "");
    else if (parts.hosted !== undefined) await parts.hosted(exchange);
    else withoutStorage(exchange);
  };
}

/** Sends the refusal itself. Basic is what docker login, podman and containerd answer without a token service. */
async function isAdmitted(accounts: Accounts | undefined, exchange: Exchange): Promise<boolean> {
  if (accounts === undefined) return true;
  try {
    if ((await accounts.check(exchange.request.headers.authorization)) !== undefined) return true;
    const problem = "This registry is for its accounts alone: docker login, and a right password.";
    sendError(exchange, new EntrepotError("UNAUTHORIZED", problem), { "www-authenticate": 'Basic realm="entrepot"' });
  } catch (error) {
    sendError(exchange, error);
  }
  return false;
}

async function pullThrough(parts: RegistryFrontParts, exchange: Exchange, given: string, rest: string): Promise<void> {
  const { name, accounts, intercepts, registry } = parts;
  const host = decoded(given);
  const parsed = parseHostPort(host);
  // As in every image's name, the first part is a host where it has a dot or a port.
  if (parsed === undefined || !/[.:]|^localhost$/.test(host)) {
    const problem = "After proxy/ the host of a registry is expected, as in proxy/quay.io/team/app.";
    sendError(exchange, new EntrepotError("NAME_INVALID", problem));
    return;
  }
  const origin = registryOf(parsed, intercepts);
  if (origin === undefined) {
    const problem = `${host} is not among the registries that are pulled through; REGISTRIES on this proxy would have to name it.`;
    sendError(exchange, new EntrepotError("DENIED", problem));
    return;
  }
  if (!isReading(exchange)) {
    // dockerd tries every other refusal of a push five times, for a minute.
    const problem = "Names below proxy/ are other registries'; push under another name, or to the registry itself.";
    sendError(exchange, new EntrepotError("UNSUPPORTED", problem), { allow: "GET, HEAD" });
    return;
  }
  const target = targetAt(origin, `/v2/${rest}`);
  const own = (repository: string): string => `proxy/${host}/${repository}`;
  exchange.enter({
    front: name,
    origin,
    target,
    allowPush: false,
    anonymously: true,
    // What was sent to us was for us; the client would answer the registry's challenge with it.
    ...(accounts !== undefined && { headers: withoutIdentity(endToEnd(exchange.headers)) }),
    view: createView({
      upstream: origin,
      target,
      name: own,
      path: (its) =>
        withRepository(its, own) ?? (its.startsWith("/v2/") ? `/v2/proxy/${host}/${its.slice(4)}` : undefined),
      ...(accounts !== undefined && { challenge: () => undefined }),
      fields: (_, fields) => cacheField(fields["x-docker-registry-proxy-cache-upstream-status"]),
    }),
  });
  await registry(exchange);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text).toLowerCase();
  } catch {
    return text;
  }
}

const fromCache: ReadonlySet<unknown> = new Set(["HIT", "STALE", "UPDATING", "REVALIDATED"]);

function cacheField(status: unknown): Record<string, string> {
  return status === undefined ? {} : { "proxy-docker-cache": fromCache.has(status) ? "HIT" : "MISS" };
}

function withoutStorage(exchange: Exchange): void {
  if (isReading(exchange) && answerPing(exchange)) return;
  const problem =
    "Nothing is kept here but what is pulled through below proxy/; REGISTRY_STORAGE would make this a registry.";
  sendError(exchange, new EntrepotError("NAME_UNKNOWN", problem));
}
