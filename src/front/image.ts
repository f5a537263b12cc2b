import { EntrepotError } from "../core/errors.ts";
import type { Origin } from "../core/origin.ts";
import { parseRegistryRequest } from "../core/request.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { noteRequest } from "../serve/note-request.ts";
import { sendBytes, sendError } from "../serve/write.ts";
import { withoutNamespace } from "./dispatch.ts";
import type { Bearer, Gate } from "./image-gate.ts";
import { type Asked, authPath, ownChallenge, type Self, withOwnRealm } from "./image-upstream.ts";
import { createView } from "./seen.ts";

export interface ImageParts {
  readonly name: string;
  readonly upstream: Origin;
  readonly self: Self;
  /** SKIP_AUTH_PROXY: the registry's challenges are left as they are. */
  readonly skip: boolean;
  readonly gate: Gate;
  /** What the registry asks for. Rejects as Fetch does where nobody knows. */
  readonly asked: (exchange: Exchange) => Promise<Asked>;
  /** Whether a credential of ours is sent with a push too. */
  readonly lendsOnPush: boolean;
  readonly auth: Handler;
  readonly search: (exchange: Exchange, bearer: Bearer) => Promise<void>;
  readonly isSearch: (path: string) => boolean;
  readonly registry: Handler;
}

/**
 * One registry under a name of our own, for everybody or for accounts of ours: its challenges lead to `/v2/auth` here, and who shows what was got there is served
 * what the registry serves to everybody, or to the credential that we hold.
 */
export function createImageProxy(parts: ImageParts): Handler {
  const { gate, auth, search, isSearch } = parts;
  const answer = async (exchange: Exchange): Promise<void> => {
    const { path = "" } = exchange.trace;
    if (path === "/health") return health(exchange);
    if (path === authPath) return auth(exchange);
    const bearer = await gate(exchange.request.headers.authorization, () => exchange.signal);
    if (isSearch(path)) return search(exchange, bearer);
    if (bearer.kind === "refused") return challenge(parts, exchange, "Log in to this proxy, or log in again.");
    const isPing = path === "/v2" || path === "/v2/";
    return isPing ? ping(parts, exchange, bearer) : pass(parts, exchange, bearer);
  };
  return async (exchange) => {
    try {
      await answer(exchange);
    } catch (thrown) {
      if (!(thrown instanceof EntrepotError)) throw thrown;
      sendError(exchange, thrown);
    }
  };
}

function health(exchange: Exchange): Promise<void> {
  exchange.trace.kind = "own";
  sendBytes(exchange, 200, { "content-type": "application/json", "cache-control": "no-store" }, '{"status":"ok"}');
  return Promise.resolve();
}

/** OCI distribution 1.1, "Determining Support"; clients learn here which token they need. */
async function ping(parts: ImageParts, exchange: Exchange, bearer: Bearer): Promise<void> {
  const { method } = exchange.trace;
  if (method !== "GET" && method !== "HEAD") return pass(parts, exchange, bearer);
  if (bearer.kind === "account") {
    exchange.trace.kind = "ping";
    const fields = { "content-type": "application/json", "docker-distribution-api-version": "registry/2.0" };
    sendBytes(exchange, 200, fields, "{}");
    return;
  }
  if (bearer.kind === "nobody" && !parts.skip) return challenge(parts, exchange, "authentication required");
  await pass(parts, exchange, bearer);
}

async function challenge(parts: ImageParts, exchange: Exchange, problem: string): Promise<void> {
  const { self, skip } = parts;
  const asked = await parts.asked(exchange);
  const { method } = exchange.trace;
  const header =
    skip && asked.challenge !== undefined
      ? asked.challenge
      : ownChallenge(asked, self, method, exchange.arrival.target);
  noteRequest(exchange, parseRegistryRequest(exchange.arrival.target));
  sendError(exchange, new EntrepotError("UNAUTHORIZED", problem), { "www-authenticate": header });
}

/** On to the registry, with what is for it alone. */
async function pass(parts: ImageParts, exchange: Exchange, bearer: Bearer): Promise<void> {
  const { name, upstream, self, skip, registry } = parts;
  const { method } = exchange.trace;
  const allowPush = method === "GET" || (await mayPush(parts, exchange, bearer));
  if (!allowPush && ["POST", "PUT", "PATCH", "DELETE"].includes(method)) {
    noteRequest(exchange, parseRegistryRequest(exchange.arrival.target));
    sendError(exchange, new EntrepotError("UNSUPPORTED", onlyReads), { allow: "GET, HEAD" });
    return;
  }
  const { authorization: _, cookie, ...headers } = exchange.request.headers;
  const own = bearer.kind === "own" || bearer.kind === "nobody";
  const target = withoutNamespace(exchange.arrival.target);
  exchange.enter({
    front: name,
    origin: upstream,
    target,
    headers: {
      ...headers,
      ...(own && cookie !== undefined && { cookie }),
      ...("authorization" in bearer && { authorization: bearer.authorization }),
    },
    view: createView({
      upstream,
      target,
      path: (its) => its,
      ...(!skip && { challenge: (its) => withOwnRealm(its, self) }),
    }),
    allowPush,
    // Who has an account here has none there, and knows of no other registry.
    anonymously: bearer.kind === "account",
  });
  await registry(exchange);
}

const onlyReads =
  "An account of this proxy reads the registry behind it and does not change it: what is pushed would have to be in somebody's name there.";

/** In the client's own name as the registry allows; in nobody's where the registry wants nobody's; in ours where the operator says so. */
async function mayPush(parts: ImageParts, exchange: Exchange, { kind }: Bearer): Promise<boolean> {
  if (kind !== "account") return kind !== "lent";
  return parts.lendsOnPush || (await parts.asked(exchange)).challenge === undefined;
}
