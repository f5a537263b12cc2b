import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { asEntrepotError, EntrepotError } from "../core/errors.ts";
import { contentLength } from "../core/headers.ts";
import { makeOrigin, parseHostPort } from "../core/origin.ts";
import { requireAdmitted, requireAllowedTarget, requireFewHeaders } from "./arrivals.ts";
import type { Connection } from "./connection.ts";
import { ignore, refusalTrace, refuseSocket } from "./refuse.ts";
import type { ListenerParts } from "./types.ts";

/** RFC 9110 §9.3.6: any 2xx ends the header at once; there is nothing else to say. */
export const established = "HTTP/1.1 200 Connection established\r\n\r\n";

/** The two ways on after a CONNECT. Both answer it themselves, and reject while it is not answered yet. */
export interface ConnectWays {
  isStopping(): boolean;
  intercept(connection: Connection, target: { host: string; port: number }, head: Buffer): Promise<void>;
  tunnel(connection: Connection, target: { host: string; port: number }, head: Buffer): Promise<void>;
}

/** Takes a CONNECT: a TLS connection to an origin of ours, or a blind tunnel (RFC 9110 §9.3.6). Never rejects. */
export async function handleConnect(
  request: IncomingMessage,
  head: Buffer,
  connection: Connection,
  parts: ListenerParts,
  ways: ConnectWays,
): Promise<void> {
  const socket: Socket = connection.socket;
  // The parser has let go of the socket, its timer goes on.
  socket.setTimeout(0);
  socket.on("error", ignore);
  connection.requests += 1;
  let door: "connect" | "tunnel" = "connect";
  let origin: string | undefined;
  try {
    if (ways.isStopping()) throw new EntrepotError("STOPPING", "This proxy is stopping; try again in a moment.");
    const target = targetOf(request, connection);
    origin = connectName(target);
    requireFewHeaders(request);
    requireAdmitted(connection, parts);
    requireAllowedTarget(target.host, target.port, parts);
    const isOurs = parts.intercepts("https", target.host, target.port) !== undefined || parts.isOwnName(target.host);
    if (!isOurs) door = "tunnel";
    await (isOurs ? ways.intercept(connection, target, head) : ways.tunnel(connection, target, head));
  } catch (thrown) {
    const error = asEntrepotError(thrown);
    if (error.code === "INTERNAL") parts.log.error({ err: thrown }, "CONNECT failed inside the proxy");
    // A target that does not parse is not shown: it may hold a user name and password.
    const facts = { door, method: "CONNECT", ...(origin !== undefined && { origin }) };
    parts.record(refusalTrace(connection, error, facts));
    refuseSocket(connection, socket, error);
  }
}

function targetOf(request: IncomingMessage, connection: Connection): { host: string; port: number } {
  if (connection.intercepted !== undefined) {
    throw new EntrepotError(
      "METHOD_NOT_ALLOWED",
      `CONNECT is for the proxy itself; this is a connection to ${connection.intercepted.authority}.`,
    );
  }
  const target = parseHostPort(request.url ?? "");
  if (target?.port === undefined) {
    throw new EntrepotError("BAD_REQUEST", "CONNECT needs a host and a port of 1 to 65535, as in registry.test:443.");
  }
  // RFC 9110 §9.3.6 gives content in a CONNECT no meaning; here it would be taken for the tunnel's first bytes.
  if (request.headers["transfer-encoding"] !== undefined || (contentLength(request.headers) ?? 0) > 0)
    throw new EntrepotError("BAD_REQUEST", "CONNECT has no body.");
  return { host: target.host, port: target.port };
}

/** Host and port as logs and messages show a CONNECT target. */
export function connectName(target: { host: string; port: number }): string {
  return makeOrigin("https", target.host, target.port).authority;
}
