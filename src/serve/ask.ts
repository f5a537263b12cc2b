import type { Readable } from "node:stream";
import { endToEnd } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { UpstreamRequest, UpstreamResponse } from "../upstream/types.ts";
import type { Exchange } from "./exchange.ts";

/** Fields that concern our answer from the cache and not the upstream's whole body, or that the way out sets itself. */
const notForwarded = [
  "host",
  "authorization",
  "range",
  "if-none-match",
  "if-match",
  "if-range",
  "if-modified-since",
  "if-unmodified-since",
  "expect",
];

/** The token scope that reading a repository needs (distribution token spec, "Requesting a Token"). */
export function pullScope(request: RegistryRequest): string | undefined {
  if (request.kind === "catalog") return "registry:catalog:*";
  return "repository" in request ? `repository:${request.repository}:pull` : undefined;
}

/** The token scope that changing a repository needs. */
export function pushScope(method: string, repository: string): string {
  return `repository:${repository}:${method === "DELETE" ? "delete" : "pull,push"}`;
}

export interface Ask {
  readonly origin: Origin;
  readonly request: RegistryRequest;
  readonly signal: AbortSignal;
  readonly method?: string;
  /** Path, where it is not the exchange's own. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readable;
  /** As of UpstreamRequest. */
  readonly spend?: boolean;
  readonly redirects?: "follow" | "pass";
  readonly inject?: boolean;
  /** What a token of ours would have to allow; reading, unless said. */
  readonly scope?: string;
}

/** The request to an upstream for content that is to be cached: the client's fields, but whole and unencoded. */
export function askForContent(exchange: Exchange, ask: Ask): UpstreamRequest {
  const headers = endToEnd(exchange.headers);
  for (const name of notForwarded) delete headers[name];
  return {
    origin: ask.origin,
    method: ask.method ?? exchange.request.method ?? "GET",
    path: ask.path ?? exchange.arrival.target,
    // The digest is over what is sent: an encoded body would hash to something else.
    headers: { ...headers, ...ask.headers, "accept-encoding": "identity" },
    authorization: exchange.headers.authorization,
    anonymously: exchange.anonymously,
    scope: pullScope(ask.request),
    redirects: ask.redirects ?? "follow",
    signal: ask.signal,
  };
}

/** The request to an upstream for what is not cached: all the client's end-to-end fields as they are. */
export function askAsIs(exchange: Exchange, ask: Ask): UpstreamRequest {
  const headers = endToEnd(exchange.headers);
  for (const name of ["host", "authorization", "expect"]) delete headers[name];
  return {
    origin: ask.origin,
    method: ask.method ?? exchange.request.method ?? "GET",
    path: ask.path ?? exchange.arrival.target,
    headers: { ...headers, ...ask.headers },
    authorization: exchange.headers.authorization,
    inject: ask.inject ?? true,
    anonymously: exchange.anonymously,
    scope: ask.scope ?? pullScope(ask.request),
    redirects: ask.redirects ?? "pass",
    signal: ask.signal,
    ...(ask.body && { body: ask.body, spend: ask.spend ?? false }),
  };
}

/** Notes who answered, for the log line. */
export function noteUpstream(exchange: Exchange, response: UpstreamResponse): void {
  if (response.address !== undefined) exchange.trace.upstream = response.address;
  exchange.trace.attempts = (exchange.trace.attempts ?? 0) + response.attempts;
}
