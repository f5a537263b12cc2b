import type { TimedTokens } from "../auth/timed-token.ts";
import { EntrepotError } from "../core/errors.ts";
import { first } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import type { Exchange, Handler } from "../serve/exchange.ts";
import { sendBytes, sendError, sendHead } from "../serve/write.ts";
import type { Cors } from "./cors.ts";
import { type PublicUrl, urlOf } from "./public-url.ts";
import { createView } from "./seen.ts";

export interface ZotParts {
  readonly name: string;
  readonly upstream: Origin;
  /** Under which docker reaches the front; undefined: as it was asked. */
  readonly url: Origin | undefined;
  readonly tokens: TimedTokens;
  readonly cors: Cors;
  readonly registry: Handler;
  readonly publicUrl: PublicUrl;
}

const tokenPath = "/docker-token";

/**
 * A Zot registry, for the docker command line too: that asks for a token before it asks for anything, where Zot knows Basic and nobody. To all others it is Zot, with
 * our cache before it.
 */
export function createZot(parts: ZotParts): Handler {
  return async (exchange) => {
    enter(parts, exchange, exchange.request.headers.authorization);
    if (parts.cors.isPreflight(exchange)) sendHead(exchange, 204, parts.cors.preflight(exchange));
    else if (exchange.request.headers["user-agent"]?.startsWith("docker/") === true)
      await answerDocker(parts, exchange);
    else await parts.registry(exchange);
  };
}

async function answerDocker(parts: ZotParts, exchange: Exchange): Promise<void> {
  const path = exchange.arrival.target.split("?", 1)[0];
  if (path === tokenPath) {
    answerToken(parts, exchange);
    return;
  }
  const { authorization } = exchange.request.headers;
  if (authorization === undefined && (path === "/v2" || path === "/v2/")) {
    sendChallenge(parts, exchange, "authentication required");
    return;
  }
  const bearer = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
  const verdict = parts.tokens.verify(bearer ?? "");
  if (verdict === "invalid") sendChallenge(parts, exchange, "the token is no longer good");
  else {
    if (verdict === "valid") enter(parts, exchange, undefined);
    // What we gave it for a token: what it would have sent as Basic.
    else if (bearer !== undefined) enter(parts, exchange, `Basic ${bearer}`);
    await parts.registry(exchange);
  }
}

function enter({ name, upstream, cors }: ZotParts, exchange: Exchange, authorization: string | undefined): void {
  const { target } = exchange.arrival;
  const { authorization: _, ...headers } = exchange.request.headers;
  const view = createView({ upstream, target, path: (its) => its });
  exchange.enter({
    front: name,
    origin: upstream,
    target,
    headers: { ...headers, ...(authorization !== undefined && { authorization }) },
    allowPush: true,
    view: { ...view, fields: (status, fields) => cors.fields(exchange, view.fields(status, fields)) },
  });
}

function sendChallenge({ url, publicUrl }: ZotParts, exchange: Exchange, problem: string): void {
  const realm = `${urlOf(url ?? publicUrl(exchange))}${tokenPath}`;
  sendError(exchange, new EntrepotError("UNAUTHORIZED", problem), { "www-authenticate": `Bearer realm="${realm}"` });
}

/** Whoever has a credential gets it back as its token, and Zot says what it is worth; whoever has none gets one of ours. */
function answerToken({ tokens }: ZotParts, exchange: Exchange): void {
  const { method, headers } = exchange.request;
  exchange.trace.kind = "token";
  if (method !== "GET" && method !== "HEAD") {
    // Clients that would rather POST a form go on with a GET.
    sendError(exchange, new EntrepotError("METHOD_NOT_ALLOWED", "Tokens are fetched by GET here."), {
      allow: "GET, HEAD",
    });
    return;
  }
  const basic = /^basic +(\S+)$/i.exec(first(headers.authorization) ?? "")?.[1];
  const answer = basic === undefined ? { token: tokens.issue(), expires_in: tokens.seconds } : { token: basic };
  sendBytes(exchange, 200, { "content-type": "application/json", "cache-control": "no-store" }, JSON.stringify(answer));
}
