import { TLSSocket } from "node:tls";
import { first } from "../core/headers.ts";
import { makeOrigin, type Origin, parseHostPort } from "../core/origin.ts";
import type { Exchange } from "../serve/exchange.ts";

/** Where the client of an exchange reaches this front: scheme, host and port as it knows them. */
export type PublicUrl = (exchange: Exchange) => Origin;

/**
 * The Host header, and the scheme of the connection; behind a proxy that is trusted what that says of them (X-Forwarded-Proto, X-Forwarded-Host). Of several
 * values, as of a chain of proxies, the first counts. Where none is an address of a host, the one that the connection came to.
 */
export function createPublicUrl(trustsProxy: (address: string) => boolean): PublicUrl {
  return ({ request, arrival }) => {
    const { headers, socket } = request;
    const told = trustsProxy(arrival.client) ? headers : {};
    const forwarded = firstOf(told["x-forwarded-proto"])?.toLowerCase();
    const own = socket instanceof TLSSocket ? "https" : "http";
    const scheme = forwarded === "https" || forwarded === "http" ? forwarded : own;
    const named = [firstOf(told["x-forwarded-host"]), headers.host].find(
      (text) => text !== undefined && parseHostPort(text) !== undefined,
    );
    const parsed = named === undefined ? undefined : parseHostPort(named);
    if (parsed !== undefined) return makeOrigin(scheme, parsed.host, parsed.port);
    return makeOrigin(scheme, socket.localAddress ?? "127.0.0.1", socket.localPort);
  };
}

function firstOf(value: string | readonly string[] | undefined): string | undefined {
  return first(value)?.split(",")[0]?.trim();
}

/** As text, without a slash at the end. */
export function urlOf({ scheme, authority }: Origin): string {
  return `${scheme}://${authority}`;
}
