import { pipeline } from "node:stream";
import { type AnonymousTokens, isAnonymousAsk, sniffAnswer } from "../auth/anonymous.ts";
import type { OwnTokens } from "../auth/own-token.ts";
import { formatChallenge, parseChallenges } from "../core/challenge.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { first } from "../core/headers.ts";
import { type Origin, originOfUrl } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { CacheStatus } from "../observe/trace.ts";
import { systemAlarm, withPatience } from "../upstream/patience.ts";
import type { Fetch, UpstreamRequest, UpstreamResponse } from "../upstream/types.ts";
import { askAsIs, noteUpstream } from "./ask.ts";
import { cacheHeaders } from "./content-headers.ts";
import type { Exchange } from "./exchange.ts";
import { identityOf } from "./identity.ts";
import { isOutage } from "./outage.ts";
import { requestBody, sendResponse } from "./pass.ts";
import { isSame, type Shape, type Shapes } from "./shapes.ts";
import { isViewed, viewedBody } from "./view.ts";
import { sendBytes, sendError } from "./write.ts";

export interface OfflineParts {
  readonly fetch: Fetch;
  readonly shapes: Shapes;
  readonly own: OwnTokens;
  readonly anonymous: AnonymousTokens;
  readonly clock: Clock;
  /** Whether requests to a host come to us; a token service whose requests do not is stood in for at the registry's own. */
  readonly intercepts: (origin: Origin) => boolean;
  /** Whether we hold a credential for it, which stands behind who sends none. */
  readonly injects: (origin: Origin) => boolean;
}

/** How long the upstream is waited for where there is something to answer without it, milliseconds. */
const patience = 5000;
/**
 * How long what a registry answers to nobody's `/v2/` is repeated without asking it: clients begin every pull with that. Where to get a token
 * changes once in years, and a registry that challenges differently meanwhile is asked again. Milliseconds.
 */
const pingFor = 3_600_000;
/** What clients are told of a token of ours, seconds: soon they are to have a real one. */
const ownLife = 300;
/** Where a registry stands in for a token service that does not come through us; one of the paths that are known as token endpoints. */
const standInPath = "/v2/token";

/** Where a client that fetches a token is sent back to with a GET: what it POSTs may be a password, and we cannot tell whether it is right. */
const fetchByGet = "The token service cannot be reached, and only a GET can be answered without it.";

/**
 * Passes `/v2/` and token requests through, remembers in which shape they were answered, and answers in that shape when their upstream
 * cannot be reached: so that a warm pull of public content completes.
 */
export class Offline {
  readonly #parts: OfflineParts;
  /** Milliseconds since the epoch. Before that, other credentials may have been configured. */
  readonly #started: number;

  constructor(parts: OfflineParts) {
    this.#parts = parts;
    this.#started = parts.clock.now();
  }

  /** Whether a request is one of those. A token service may be anywhere; challenges have told where. */
  async isFor(exchange: Exchange, origin: Origin, request: RegistryRequest): Promise<boolean> {
    if (request.kind === "ping" || request.kind === "token") return true;
    return request.kind === "other" && (await this.#parts.shapes.get(tokenKey(origin, pathOf(exchange)))) !== undefined;
  }

  async serve(exchange: Exchange, origin: Origin, request: RegistryRequest): Promise<void> {
    if (request.kind !== "ping") exchange.trace.kind = "token";
    await (request.kind === "ping" ? this.#ping(exchange, origin, request) : this.#token(exchange, origin, request));
  }

  /** The challenge of a registry that was asked for content: some clients never ask for `/v2/`, and the next one may. */
  async noteChallenge(
    { origin, path: asked }: Pick<UpstreamRequest, "origin" | "path">,
    response: Pick<UpstreamResponse, "status" | "headers" | "from">,
  ): Promise<void> {
    if (response.status !== 401 || response.from.name !== origin.name) return;
    const shape = shapeOf(response);
    for (const { service, path } of servicesOf(shape)) {
      this.#parts.anonymous.trust(origin, service);
      await this.#parts.shapes.put(tokenKey(service, path), { status: 200 });
    }
    const ping = await this.#parts.shapes.get(pingKey(origin));
    if (ping === undefined) await this.#notePing(origin, shape);
    // It may have changed since, so the next client's `/v2/` is asked; one that was asked just now is noted where it is served.
    else if (asked !== "/v2/" && !isSame(ping, shape))
      await this.#parts.shapes.put(pingKey(origin), { ...ping, at: undefined });
  }

  async #ping(exchange: Exchange, origin: Origin, request: RegistryRequest): Promise<void> {
    const { shapes, own } = this.#parts;
    const { authorization, text } = identityOf(exchange.headers);
    const isOwn = authorization !== undefined && own.isOwn(authorization);
    // A credential that nobody can check is not confirmed: `docker login` believes a 200.
    const kept = text === undefined || isOwn ? await shapes.get(pingKey(origin)) : undefined;
    // Clients of a front are promised its registry's own answer, fields that are not kept included.
    const repeats = text === undefined && exchange.view === undefined;
    if (repeats && kept !== undefined && this.#isFresh(origin, kept)) {
      this.#sendShape(exchange, origin, kept, "HIT");
      return;
    }
    const response = await this.#ask(exchange, origin, request, isOwn || kept !== undefined, patience);
    if (response !== undefined) {
      if (text === undefined && (response.status === 200 || response.status === 401)) {
        const shape = { ...shapeOf(response), at: this.#parts.clock.now() };
        void this.#notePing(origin, response.injected ? { ...shape, injected: true } : shape);
      }
      await sendResponse(exchange, response, cacheHeaders(exchange, "BYPASS", "unknown"));
      return;
    }
    this.#sendShape(exchange, origin, isOwn || kept === undefined ? { status: 200 } : kept, "STALE");
  }

  /** A clock that was set back makes nothing fresh; a realm that clients would reach without us may be gone, and is asked about. */
  #isFresh(origin: Origin, { challenge, at = Number.NEGATIVE_INFINITY, injected }: Shape): boolean {
    const lent = injected === true;
    // What it says with a credential of ours it does not say without one, nor with any.
    if (lent !== this.#parts.injects(origin) || (lent && at < this.#started)) return false;
    const age = this.#parts.clock.now() - at;
    const reachable = servicesOf({ status: 401, challenge }).every(({ service }) => this.#parts.intercepts(service));
    return age >= 0 && age < pingFor && reachable;
  }

  #sendShape(exchange: Exchange, origin: Origin, shape: Shape, status: CacheStatus): void {
    sendBytes(
      exchange,
      shape.status,
      {
        "content-type": "application/json",
        "docker-distribution-api-version": "registry/2.0",
        ...(shape.challenge !== undefined && { "www-authenticate": this.#reachable(shape.challenge, origin) }),
        ...cacheHeaders(exchange, status, "unknown"),
      },
      shape.status === 401 ? unauthorized : "{}",
    );
  }

  async #token(exchange: Exchange, origin: Origin, request: RegistryRequest): Promise<void> {
    const { headers } = exchange;
    const { method = "GET" } = exchange.request;
    const { target } = exchange.arrival;
    const identified = identityOf(headers).text !== undefined || exchange.hasBody;
    const anonymous = isAnonymousAsk({ method, target, identified });
    const instead = method === "POST" || ((method === "GET" || method === "HEAD") && asksToPull(target));
    // Only who loses nothing by a token of ours is not made to wait for a real one.
    const response = await this.#ask(exchange, origin, request, instead, anonymous ? patience : undefined);
    if (response !== undefined) {
      const added = cacheHeaders(exchange, "BYPASS", "unknown");
      const plain = response.headers["content-encoding"] === undefined;
      // What a credential of ours was given is not for nobody.
      const sniffed = anonymous && plain && response.status === 200 && !response.injected;
      await sendResponse(exchange, sniffed ? this.#sniffed(response, origin) : response, added);
      return;
    }
    const stale = cacheHeaders(exchange, "STALE", "unknown");
    if (method === "POST") {
      sendError(exchange, new EntrepotError("METHOD_NOT_ALLOWED", fetchByGet), { allow: "GET", ...stale });
      return;
    }
    const token = this.#parts.own.issue();
    const issued = new Date(this.#parts.clock.now()).toISOString();
    const answer = { token, access_token: token, expires_in: ownLife, issued_at: issued };
    const fields = { "content-type": "application/json", "cache-control": "no-store", ...stale };
    const body = Buffer.from(JSON.stringify(answer));
    const { view } = exchange;
    sendBytes(exchange, 200, fields, isViewed(view, "token", 200) ? viewedBody(view, "token", 200, body) : body);
  }

  /** The upstream's answer; undefined where it is out of reach and there is an answer of ours to give `instead`. */
  async #ask(
    exchange: Exchange,
    origin: Origin,
    request: RegistryRequest,
    instead: boolean,
    milliseconds: number | undefined,
  ): Promise<UpstreamResponse | undefined> {
    const body = requestBody(exchange);
    const limited = { host: origin.host, signal: exchange.signal, milliseconds: instead ? milliseconds : undefined };
    try {
      const response = await withPatience(limited, systemAlarm, (signal) =>
        this.#parts.fetch(
          askAsIs(exchange, {
            origin,
            request,
            signal,
            // A token has to be read, and is a few kilobytes.
            ...(request.kind !== "ping" && { headers: { "accept-encoding": "identity" } }),
            ...(body && { body }),
          }),
        ),
      );
      noteUpstream(exchange, response);
      if (!instead || (response.status !== 429 && response.status < 500)) return response;
      response.body.on("error", () => undefined);
      response.body.destroy();
      return undefined;
    } catch (error) {
      if (instead && isOutage(error)) return undefined;
      throw error;
    }
  }

  #sniffed(response: UpstreamResponse, service: Origin): UpstreamResponse {
    const sniff = sniffAnswer((answer) => this.#parts.anonymous.note(answer, service));
    // Each ends with the other, an error included; whoever reads it is told.
    pipeline(response.body, sniff, () => undefined);
    return { ...response, body: sniff };
  }

  async #notePing(origin: Origin, shape: Shape): Promise<void> {
    const { shapes, anonymous } = this.#parts;
    const services = servicesOf(shape);
    // At once: the client's next request is for a token.
    for (const { service } of services) anonymous.trust(origin, service);
    await shapes.put(pingKey(origin), shape);
    for (const { service, path } of services) await shapes.put(tokenKey(service, path), { status: 200 });
  }

  /** A realm that clients reach without us is as dead as the rest; at the registry's own host we answer. */
  #reachable(challenge: string, origin: Origin): string {
    const challenges = parseChallenges(challenge).map(({ scheme, parameters }) => {
      const { realm } = parameters;
      const service = realm !== undefined && URL.canParse(realm) ? originOfUrl(new URL(realm)) : undefined;
      if (scheme !== "bearer" || service === undefined || this.#parts.intercepts(service))
        return { scheme, parameters };
      const here = `${origin.scheme}://${origin.authority}${standInPath}`;
      return { scheme, parameters: { ...parameters, realm: here } };
    });
    return challenges.map((one) => formatChallenge(one)).join(", ");
  }
}

const unauthorized = `${JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "authentication required" }] })}\n`;

/** What may be kept of an answer: of each challenge the parameters that say where and for what, not those about one request. */
function shapeOf({ status, headers }: Pick<UpstreamResponse, "status" | "headers">): Shape {
  const kept = parseChallenges(first(headers["www-authenticate"]))
    .filter(({ scheme }) => scheme === "bearer" || scheme === "basic")
    .map(({ scheme, parameters: { realm, service } }) => ({
      scheme,
      parameters: { ...(realm !== undefined && { realm }), ...(service !== undefined && { service }) },
    }));
  const challenge = kept.map((one) => formatChallenge(one)).join(", ");
  return { status, ...(status === 401 && challenge !== "" && { challenge }) };
}

/** The token services that a shape's challenges name. */
function servicesOf({ challenge }: Shape): { readonly service: Origin; readonly path: string }[] {
  return parseChallenges(challenge).flatMap(({ scheme, parameters: { realm } }) => {
    const url = scheme === "bearer" && realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined;
    const service = url && originOfUrl(url);
    return url === undefined || service === undefined ? [] : [{ service, path: url.pathname }];
  });
}

/** Whether a token is wanted for a pull: without a scope it is for a login, which we cannot confirm. */
function asksToPull(target: string): boolean {
  const query = target.indexOf("?");
  const scopes = query === -1 ? [] : new URLSearchParams(target.slice(query + 1)).getAll("scope");
  return scopes
    .flatMap((scope) => scope.split(" "))
    .some((scope) => /^repository(?:\([^)]*\))?:.*:.*\bpull\b/.test(scope));
}

function pathOf({ arrival: { target } }: Exchange): string {
  return target.split("?", 1)[0] ?? target;
}

function pingKey(origin: Origin): string {
  return `ping|${origin.name}`;
}

function tokenKey(origin: Origin, path: string): string {
  return `token|${origin.name}|${path}`;
}

/**
 * A fetch that never shows a token of ours to an upstream: who brings one is nobody there.
 */
export function withoutOwnTokens(fetch: Fetch, anonymously: Fetch, isOwn: (authorization: string) => boolean): Fetch {
  return (request) =>
    request.authorization !== undefined && isOwn(request.authorization) ? anonymously(request) : fetch(request);
}
