import type { IncomingMessage } from "node:http";
import { EntrepotError } from "../core/errors.ts";
import { defaultPorts, makeOrigin, parseHostPort } from "../core/origin.ts";
import type { Arrival, Handler } from "../serve/exchange.ts";
import type { Connection, Intercepted } from "./connection.ts";
import { hostsOf, parseTarget } from "./target.ts";
import type { ListenerParts } from "./types.ts";

export interface Route {
  readonly arrival: Arrival;
  readonly handler: Handler;
}

/** The parser counts the bytes of names and values only, so that many small fields pass its limit. */
const mostHeaderFields = 1000;

/** Where a request goes, or throws the EntrepotError that it is refused with. */
export function route(request: IncomingMessage, connection: Connection, parts: ListenerParts): Route {
  requireFewHeaders(request);
  requireAdmitted(connection, parts);
  const host = requireHost(request);
  requirePlainCoding(request);
  const target = parseTarget(request.url ?? "");
  if (target.form === "invalid") throw new EntrepotError("BAD_REQUEST", target.problem);
  if (connection.intercepted !== undefined) {
    const inside = connection.intercepted;
    const same =
      target.form === "absolute"
        ? target.scheme === "https" && target.host === inside.host && target.port === inside.port
        : host === undefined || host === inside.authority || means(host, inside);
    if (!same) throw misdirected(inside);
    const arrival: Arrival = {
      door: "connect",
      origin: inside.origin,
      target: target.target,
      client: connection.client,
    };
    return { arrival, handler: inside.origin === undefined ? parts.own : parts.registry };
  }
  if (target.form === "absolute") return routeAbsolute(target, connection, parts);
  if (host !== undefined && host !== connection.validHost) {
    if (parseHostPort(host) === undefined) throw new EntrepotError("BAD_REQUEST", "The Host header names no host.");
    connection.validHost = host;
  }
  const arrival: Arrival = { door: "origin", origin: undefined, target: target.target, client: connection.client };
  return { arrival, handler: parts.own };
}

/** RFC 9112 §3.2.2: the target's authority counts, not Host. */
function routeAbsolute(
  target: { scheme: "https" | "http"; host: string; port: number; target: string },
  connection: Connection,
  parts: ListenerParts,
): Route {
  const { scheme, host, port } = target;
  requireAllowedTarget(host, port, parts);
  const base = { door: "absolute", target: target.target, client: connection.client } as const;
  const origin = parts.intercepts(scheme, host, port);
  if (origin !== undefined) return { arrival: { ...base, origin }, handler: parts.registry };
  if (parts.isOwnName(host)) return { arrival: { ...base, origin: undefined }, handler: parts.own };
  if (scheme === "https") {
    throw new EntrepotError(
      "BAD_REQUEST",
      `${host} is not intercepted, so an https:// URL to it needs CONNECT: set HTTPS_PROXY rather than HTTP_PROXY for it.`,
    );
  }
  return { arrival: { ...base, origin: makeOrigin("http", host, port) }, handler: parts.forward };
}

export function requireFewHeaders(request: IncomingMessage): void {
  if (request.rawHeaders.length > 2 * mostHeaderFields) {
    throw new EntrepotError("HEADERS_TOO_LARGE", `A request has at most ${mostHeaderFields} header fields.`);
  }
}

export function requireAdmitted(connection: Connection, parts: ListenerParts): void {
  if (!parts.admitsClient(connection.client)) {
    throw new EntrepotError("DENIED", `Clients at ${connection.client} may not use this proxy.`);
  }
}

export function requireAllowedTarget(host: string, port: number, parts: ListenerParts): void {
  if (parts.forbidsTarget(host, port)) {
    throw new EntrepotError("DENIED", `This proxy does not connect to ${host}:${port}.`);
  }
}

/** RFC 9112 §3.2: 400 for an HTTP/1.1 request without Host, and for any request with several. */
function requireHost(request: IncomingMessage): string | undefined {
  const hosts = hostsOf(request.rawHeaders);
  const [host] = hosts;
  if (hosts.length > 1) throw new EntrepotError("BAD_REQUEST", "A request has one Host header, not several.");
  const isOld = request.httpVersionMajor === 1 && request.httpVersionMinor === 0;
  if (host === undefined && !isOld) throw new EntrepotError("BAD_REQUEST", "An HTTP/1.1 request needs a Host header.");
  return host;
}

/** RFC 9112 §6.1 and §6.3: without chunked as the last coding, where the body ends is a guess; no client of a registry sends another. */
function requirePlainCoding(request: IncomingMessage): void {
  const coding = request.headers["transfer-encoding"];
  if (coding !== undefined && coding.trim().toLowerCase() !== "chunked") {
    throw new EntrepotError("BAD_REQUEST", "The only Transfer-Encoding known here is chunked.");
  }
}

/** Whether a Host means the CONNECT target: letter case, a trailing dot and the default port do not matter. */
function means(host: string, inside: Intercepted): boolean {
  const parsed = parseHostPort(host);
  return parsed !== undefined && parsed.host === inside.host && (parsed.port ?? defaultPorts.https) === inside.port;
}

function misdirected(inside: Intercepted): EntrepotError {
  return new EntrepotError(
    "MISDIRECTED",
    `This connection is to ${inside.authority}; a request for another host needs a CONNECT of its own.`,
  );
}
