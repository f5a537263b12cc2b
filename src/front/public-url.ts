import { TLSSocket } from "node:tls";
import { first } from "../core/headers.ts";
import { makeOrigin, type Origin, parseHostPort } from "../core/origin.ts";
import type { Exchange } from "../serve/exchange.ts";

/** Where the client of an exchange reaches us: scheme, host and port as it knows them. */
export type PublicUrl = (exchange: Exchange) => Origin;

/**
 * The Host header, and the scheme of the connection; behind a proxy that is trusted what that says of them (X-Forwarded-Proto, X-Forwarded-Host). Of several
 * values, as of a chain of proxies, the first counts. Where none is an address of a host, the one that the connection came to.
 */
export function createPublicUrl(trustsProxy: (address: string) => boolean): PublicUrl {
  return (exchange) => {
    const { socket } = exchange.request;
    const { scheme, named } = told(exchange, trustsProxy);
    if (named !== undefined) return makeOrigin(scheme, named.host, named.port);
    return makeOrigin(scheme, socket.localAddress ?? "127.0.0.1", socket.localPort);
  };
}

/** Likewise, but undefined where the request names no address of a host. */
export function createNamedUrl(trustsProxy: (address: string) => boolean): (exchange: Exchange) => Origin | undefined {
  return (exchange) => {
    const { scheme, named } = told(exchange, trustsProxy);
    return named && makeOrigin(scheme, named.host, named.port);
  };
}

function told({ request, arrival }: Exchange, trustsProxy: (address: string) => boolean) {
  const { headers, socket } = request;
  const { "x-forwarded-proto": proto, "x-forwarded-host": host } = trustsProxy(arrival.client) ? headers : {};
  const forwarded = firstOf(proto)?.toLowerCase();
  const own = socket instanceof TLSSocket ? "https" : "http";
  const scheme = forwarded === "https" || forwarded === "http" ? forwarded : own;
  const named = [firstOf(host), headers.host].flatMap((text) => parseHostPort(text ?? "") ?? [])[0];
  return { scheme, named } as const;
}

function firstOf(value: string | readonly string[] | undefined): string | undefined {
  return first(value)?.split(",")[0]?.trim();
}

/** As text, without a slash at the end. */
export function urlOf({ scheme, authority }: Origin): string {
  return `${scheme}://${authority}`;
}
