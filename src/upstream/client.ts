import type { IncomingHttpHeaders } from "node:http";
import { contentLength } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import type { Breaker } from "./breaker.ts";
import { type Dialer, type DialerOptions, createDialer } from "./dialer.ts";
import type { Hop, HopAnswer, Message, SendTimeouts } from "./hop.ts";
import { type Place, createItinerary, nextPlace, sameOrigin } from "./redirect.ts";
import { type Send, createSend } from "./send.ts";
import type { Answered, Authorizer, Fetch, UpstreamRequest, UpstreamResponse } from "./types.ts";

/** One request and the head of its answer, for metrics and the inspector, which redacts the headers. */
export interface HopSeen {
  readonly method: string;
  readonly origin: Origin;
  /** The Authorization that was sent; never to be shown. */
  readonly authorization: string | undefined;
  /** Without its query, which may be signed. */
  readonly path: string;
  readonly status: number;
  /** As given to the request, Authorization included. */
  readonly requestHeaders: Readonly<Record<string, string | string[]>>;
  readonly responseHeaders: IncomingHttpHeaders;
  /** From the request to the head of its answer. */
  readonly ms: number;
  readonly address: string | undefined;
}

export interface UpstreamOptions {
  readonly dialer: DialerOptions;
  readonly timeouts: SendTimeouts;
  /** Makes what answers for credentials, given a fetch without redirects and credentials for its token exchanges. */
  readonly authorizer: (bare: Fetch, isPlain: (origin: Origin) => boolean) => Authorizer;
  readonly onHop?: (hop: HopSeen) => void;
  /** Keeps requests from hosts that are known to fail; for each host on the way, so that a dead CDN does not shut its registry. */
  readonly breaker?: Breaker;
}

export interface Upstream {
  readonly fetch: Fetch;
  /** A connection for a blind tunnel; see Dialer. */
  readonly connect: Dialer["connect"];
  /** Whether an origin is spoken to in plain HTTP. */
  readonly isPlain: (origin: Origin) => boolean;
  close(): void;
}

/** The way out. Throws CONFIG_INVALID for options that cannot be used. */
export function createUpstream(options: UpstreamOptions): Upstream {
  const dialer = createDialer(options.dialer);
  const sent = createSend(dialer, options.timeouts);
  const plain =
    options.breaker?.guard(sent, ({ message }) => ({ status: message.statusCode ?? 0, headers: message.headers })) ??
    sent;
  const send = options.onHop === undefined ? plain : observed(plain, options.onHop);
  const authorizer = options.authorizer(bareFetch(send), dialer.isPlain);
  return {
    fetch: createFetch(send, authorizer, dialer.isPlain),
    connect: (host, port, signal, onread) => dialer.connect(host, port, signal, onread),
    isPlain: dialer.isPlain,
    close: () => dialer.close(),
  };
}

/** Where a request stands on its way: the place, and what is sent to it. */
interface Leg extends Answerable {
  readonly place: Place;
  /** Left the requester's origin. Stays true on the way back, since who sends there chose the path. */
  readonly strayed: boolean;
}

interface Answerable {
  readonly authorization: string | undefined;
  /** A credential of ours was sent somewhere on the way: what a private registry redirects to is no more public than it. */
  readonly injected: boolean;
}

function createFetch(send: Send, authorizer: Authorizer, isPlain: (origin: Origin) => boolean): Fetch {
  return async (request) => {
    const itinerary = createItinerary(request);
    const asked = new Set<string>();
    let leg: Leg = { place: request, strayed: false, ...(await credentials(request, authorizer)) };
    for (let attempts = 1; ; attempts++) {
      const answer = await send(hopOf(request, leg));
      const { message } = answer;
      try {
        const answered = await answerChallenge(request, leg, message, authorizer, asked);
        const next = answered ? repeated(leg, answered) : redirect(request, leg, message, isPlain);
        if (next === undefined) return responseOf(answer, leg, attempts);
        if (next.place !== leg.place) itinerary.visit(next.place);
        discard(message);
        leg = next;
      } catch (error) {
        message.destroy();
        throw error;
      }
    }
  };
}

/** The requester's own Authorization wins over ours, which is not for every request. */
async function credentials(request: UpstreamRequest, authorizer: Authorizer): Promise<Answerable> {
  if (request.authorization !== undefined || request.inject === false) {
    return { authorization: request.authorization, injected: false };
  }
  const { origin, scope, anonymously = false, signal } = request;
  const answered = await authorizer.beforehand({ origin, scope, anonymously, signal });
  return answered ?? { authorization: undefined, injected: false };
}

/** What to repeat a 401 with; undefined where the 401 is the answer. A host is answered once. */
async function answerChallenge(
  request: UpstreamRequest,
  leg: Leg,
  message: Message,
  authorizer: Authorizer,
  asked: Set<string>,
): Promise<Answered | undefined> {
  const { origin } = leg.place;
  const challenge = message.headers["www-authenticate"];
  if (message.statusCode !== 401 || challenge === undefined || request.body !== undefined) return undefined;
  // At its own origin the requester does its own exchange, unless it is our credential that was asked for more, or it knows of no origin.
  const nobodys =
    request.anonymously === true && request.inject !== false && request.authorization === undefined && !leg.injected;
  if ((!leg.strayed && !leg.injected && !nobodys) || asked.has(origin.name)) return undefined;
  asked.add(origin.name);
  return authorizer.answer({
    origin,
    challenge,
    // The scope at another registry is for that one to say.
    scope: leg.strayed ? undefined : request.scope,
    anonymous: leg.strayed || nobodys,
    refused: leg.authorization,
    signal: request.signal,
  });
}

function repeated(leg: Leg, answered: Answered): Leg {
  return { ...leg, authorization: answered.authorization, injected: leg.injected || answered.injected };
}

function redirect(
  request: UpstreamRequest,
  leg: Leg,
  message: Message,
  isPlain: (origin: Origin) => boolean,
): Leg | undefined {
  if (request.redirects === "pass" || request.body !== undefined) return undefined;
  const place = nextPlace(leg.place, message.statusCode ?? 0, message.headers.location, request.origin, isPlain);
  if (place === undefined) return undefined;
  if (sameOrigin(place.origin, leg.place.origin)) return { ...leg, place };
  return { ...leg, place, strayed: true, authorization: undefined };
}

function hopOf(request: UpstreamRequest, leg: Leg): Hop {
  const { cookie: _, ...headers } = request.headers;
  return {
    ...leg.place,
    headers: leg.strayed ? headers : request.headers,
    authorization: leg.authorization,
    body: request.body,
    spend: request.spend,
    pour: request.pour,
    signal: request.signal,
  };
}

function responseOf(answer: HopAnswer, leg: Leg, attempts: number): UpstreamResponse {
  const { message, address } = answer;
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    rawHeaders: message.rawHeaders,
    body: message,
    from: leg.place.origin,
    address,
    attempts,
    injected: leg.injected,
  };
}

/** Longest body that is read to its end for the sake of its connection, in bytes. */
const worthReading = 64 * 1024;

function discard(message: Message): void {
  message.on("error", () => {});
  if ((contentLength(message.headers) ?? 0) > worthReading) {
    message.destroy();
    return;
  }
  let read = 0;
  message.on("data", (piece: Buffer) => {
    read += piece.length;
    if (read > worthReading) message.destroy();
  });
}

/** A fetch of exactly one request with exactly the Authorization it is given. */
function bareFetch(send: Send): Fetch {
  return async (request) => {
    const { authorization } = request;
    return responseOf(await send(request), { place: request, strayed: false, injected: false, authorization }, 1);
  };
}

function observed(send: Send, onHop: (hop: HopSeen) => void): Send {
  return async (hop) => {
    const started = performance.now();
    const answer = await send(hop);
    const { authorization } = hop;
    onHop({
      method: hop.method,
      origin: hop.origin,
      authorization: hop.authorization,
      path: hop.path.replace(/\?.*$/s, ""),
      status: answer.message.statusCode ?? 0,
      requestHeaders: authorization === undefined ? hop.headers : { ...hop.headers, authorization },
      responseHeaders: answer.message.headers,
      ms: performance.now() - started,
      address: answer.address,
    });
    return answer;
  };
}
