import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { Origin } from "../core/origin.ts";

/** One request on one connection: no redirects, no credentials but what it is given. */
export interface Hop {
  readonly origin: Origin;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly authorization: string | undefined;
  readonly body?: Readable | undefined;
  /** As of UpstreamRequest. */
  readonly spend?: boolean | undefined;
  /** As of UpstreamRequest. */
  readonly pour?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** What is used of a message, node's or our own. */
export interface Message extends Readable {
  readonly statusCode?: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
}

export interface HopAnswer {
  readonly message: Message;
  readonly address: string | undefined;
}

/** Idle milliseconds between two reads and two writes. */
export interface SendTimeouts {
  readonly readMs: number;
  readonly sendMs: number;
}

/** The peer closed an idle connection just as it was taken: nothing of the request was answered. */
export const stale = Symbol("stale connection");

/** The fields of the request, but for those that are the egress proxy's and the connection's. */
export function fieldsOf(hop: Hop): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = { ...hop.headers, host: hop.origin.authority };
  if (hop.body === undefined) delete fields["content-length"];
  // Node frames no body of a GET or a DELETE by itself: unframed, the upstream would take it for the next request (RFC 9112 §6.3).
  else if (fields["content-length"] === undefined) fields["transfer-encoding"] = "chunked";
  if (hop.authorization !== undefined) fields["authorization"] = hop.authorization;
  return fields;
}

/** IP address and port of the peer. */
export function addressOf(socket: Socket): string | undefined {
  const address = socket.remoteAddress;
  if (address === undefined) return undefined;
  return `${address.includes(":") ? `[${address}]` : address}:${socket.remotePort}`;
}
