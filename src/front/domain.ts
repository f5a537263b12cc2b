import { EntrepotError } from "../core/errors.ts";
import type { Challenge } from "../core/challenge.ts";
import type { Origin } from "../core/origin.ts";
import { parseRegistryRequest } from "../core/request.ts";
import type { Log } from "../observe/log.ts";
import type { Exchange, Handler, Passage } from "../serve/exchange.ts";
import { withoutIdentity } from "../serve/identity.ts";
import { sendFailure } from "../serve/registry.ts";
import type { View } from "../serve/view.ts";
import { type ResponseHeaders, sendError, sendText } from "../serve/write.ts";
import type { Fetch } from "../upstream/types.ts";
import { answerCatalog } from "./domain-catalog.ts";
import { isForm, readForm } from "./form.ts";
import type { Prefix } from "./prefix.ts";
import { type PublicUrl, urlOf } from "./public-url.ts";
import { createView } from "./seen.ts";
import type { TokenService } from "./token-service.ts";

export interface DomainParts {
  readonly name: string;
  /** In the front's own name where it reads with a credential of its own. */
  readonly upstream: Origin;
  readonly prefix: Prefix;
  /** Where browsers are sent, without a slash at the end; undefined where they are not. */
  readonly browse: string | undefined;
  readonly blobs: "stream" | "redirect";
  readonly registry: Handler;
  readonly fetch: Fetch;
  /** Of the registry; undefined where it has none, or none that a password may be sent to. */
  readonly tokenService: (signal: AbortSignal) => Promise<TokenService | undefined>;
  readonly publicUrl: PublicUrl;
  readonly log: Log;
}

const tokenPath = "/_token";

const readOnly =
  "This front reads its registry with a credential of its own (AUTH_HEADER or GOOGLE_APPLICATION_CREDENTIALS) and passes on no pushes and deletions.";
const noService = "The registry behind this front asks for no tokens, or for some that are not fetched by https.";
const noTokens = "This front asks its registry with a credential of its own; its clients need no token.";

/** A registry's repositories below one prefix, under a domain of their own: `/v2/app` is `/v2/PREFIX/app` there, and no answer says so. */
export function createDomain(parts: DomainParts): Handler {
  const isOurs = parts.upstream.as !== undefined;
  return async (exchange) => {
    try {
      const { target } = exchange.arrival;
      const path = target.split("?", 1)[0] ?? target;
      if (isOurs && !isRead(exchange)) {
        exchange.enter(passageOf(parts, exchange, target));
        sendError(exchange, new EntrepotError("UNSUPPORTED", readOnly), { allow: "GET, HEAD" });
      } else if (path === tokenPath) await answerToken(parts, exchange);
      else if (path === "/v2" || path.startsWith("/v2/")) await answerRegistry(parts, exchange, target);
      else if (/^\/v1(?:\/|$)/.test(path)) await pass(parts, exchange, target);
      else answerBrowser(parts, exchange, target);
    } catch (thrown) {
      sendFailure(parts.log, exchange, thrown);
    }
  };
}

function isRead({ request: { method } }: Exchange): boolean {
  return method === "GET" || method === "HEAD";
}

async function answerRegistry(parts: DomainParts, exchange: Exchange, target: string): Promise<void> {
  const request = parseRegistryRequest(target);
  if (request.kind === "catalog" && isRead(exchange)) {
    exchange.enter(passageOf(parts, exchange, target));
    exchange.trace.kind = request.kind;
    await answerCatalog(parts, exchange);
    return;
  }
  const full = request.kind === "ping" || request.kind === "invalid" ? target : parts.prefix.toUpstream(target);
  if (full !== undefined) {
    await pass(parts, exchange, full);
    return;
  }
  exchange.enter(passageOf(parts, exchange, target));
  sendError(exchange, new EntrepotError("NOT_FOUND", "This front has no such endpoint."));
}

async function pass(parts: DomainParts, exchange: Exchange, target: string): Promise<void> {
  exchange.enter(passageOf(parts, exchange, target));
  await parts.registry(exchange);
}

/** The token service of the registry, asked for the registry's own names. */
async function answerToken(parts: DomainParts, exchange: Exchange): Promise<void> {
  const { upstream, prefix } = parts;
  const { target } = exchange.arrival;
  exchange.enter(passageOf(parts, exchange, target));
  exchange.trace.kind = "token";
  if (upstream.as !== undefined) throw new EntrepotError("NOT_FOUND", noTokens);
  const service = await parts.tokenService(exchange.signal);
  if (service === undefined) throw new EntrepotError("NOT_FOUND", noService);
  const [path = "", own = ""] = service.path.split(/\?(.*)/s, 2);
  const asked = new URLSearchParams(own);
  const query = target.includes("?") ? target.slice(target.indexOf("?")) : "";
  for (const [name, value] of withFullScopes(query, prefix)) asked.append(name, value);
  const full = asked.size === 0 ? path : `${path}?${asked.toString()}`;
  const passage = { ...passageOf(parts, exchange, full), origin: service.origin };
  if (!exchange.hasBody || !isForm(exchange.headers["content-type"])) exchange.enter(passage);
  else {
    const body = Buffer.from(withFullScopes((await readForm(exchange)).toString("utf8"), prefix).toString());
    const { "transfer-encoding": _, ...headers } = exchange.headers;
    exchange.enter({ ...passage, headers: { ...headers, "content-length": String(body.length) }, body });
  }
  await parts.registry(exchange);
}

function withFullScopes(form: string, prefix: Prefix): URLSearchParams {
  const changed = new URLSearchParams();
  for (const [name, value] of new URLSearchParams(form))
    changed.append(name, name === "scope" ? prefix.fullScope(value) : value);
  return changed;
}

/** Whatever is no registry request is somebody who looks at a link. */
function answerBrowser({ browse, name }: DomainParts, exchange: Exchange, target: string): void {
  exchange.trace.front = name;
  exchange.trace.kind = "own";
  if (!isRead(exchange)) {
    sendText(exchange, 405, "There is nothing here but for GET and HEAD.\n", { allow: "GET, HEAD" });
  } else if (browse === undefined) sendText(exchange, 404, "There is nothing at this path.\n");
  else sendText(exchange, 307, "The images are described elsewhere.\n", { location: browse + target });
}

function passageOf(parts: DomainParts, exchange: Exchange, target: string): Passage {
  const { name, upstream, blobs } = parts;
  const isOurs = upstream.as !== undefined;
  const { "accept-encoding": _, ...own } = exchange.headers;
  // Lists and errors are to be read here.
  const headers = { ...(isOurs ? withoutIdentity(definedOf(own)) : own), "accept-encoding": "identity" };
  return {
    front: name,
    origin: upstream,
    target,
    headers,
    allowPush: !isOurs,
    passRedirects: blobs === "redirect",
    view: viewOf(parts, exchange, target),
  };
}

function definedOf(headers: Exchange["headers"]): Record<string, string | string[]> {
  const defined: Record<string, string | string[]> = {};
  for (const [field, value] of Object.entries(headers)) if (value !== undefined) defined[field] = value;
  return defined;
}

/** Fields that say what content is, or are our own: no name of a repository is in them, and what looks like one is none. */
const untouched =
  /^(?:content-(?:type|length|range|encoding)|accept-ranges|etag|date|age|allow|cache-(?:control|status)|docker-content-digest|docker-distribution-api-version|x-docker-registry-proxy-.*|location|link|www-authenticate|retry-after|last-modified|vary|connection|keep-alive)$/;

function viewOf({ upstream, prefix, publicUrl }: DomainParts, exchange: Exchange, target: string): View {
  const here = `${urlOf(publicUrl(exchange))}${tokenPath}`;
  const view = createView({
    upstream,
    target,
    path: (its) => (its === "/v2/" || /^\/v2\/_catalog(?:\?|$)/.test(its) ? its : prefix.toClient(its)),
    name: prefix.bare,
    challenge: (challenge) => seenChallenge(challenge, here, prefix),
    text: prefix.without,
  });
  return {
    ...view,
    fields(status, headers) {
      const seen: ResponseHeaders = {};
      for (const [name, value] of Object.entries(view.fields(status, headers))) {
        // There is nothing that a client could answer it with: it is our credential that was refused.
        if (name === "www-authenticate" && upstream.as !== undefined) continue;
        seen[name] = untouched.test(name) || typeof value === "number" ? value : withoutEach(value, prefix);
      }
      return seen;
    },
  };
}

function withoutEach(value: string | readonly string[], { without }: Prefix): string | readonly string[] {
  return typeof value === "string" ? without(value) : value.map((one) => without(one));
}

/** A Bearer challenge leads to this front's own token endpoint, and names what its clients name. */
function seenChallenge({ scheme, parameters }: Challenge, here: string, prefix: Prefix): Challenge {
  const seen = Object.entries(parameters).flatMap(([name, value]): [string, string][] => {
    if (scheme === "bearer" && name === "realm") return [[name, here]];
    // What a token service is called is for it to know again.
    if (name === "service") return [[name, value]];
    const shown = name === "scope" ? prefix.bareScope(value) : prefix.without(value);
    return shown === "" ? [] : [[name, shown]];
  });
  return { scheme, parameters: Object.fromEntries(seen) };
}
