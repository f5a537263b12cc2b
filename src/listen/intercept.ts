import type { Socket } from "node:net";
import { isIPv6 } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import { parseHostPort } from "../core/origin.ts";
import { connectName, established } from "./connect.ts";
import type { Connection, Connections, Intercepted } from "./connection.ts";
import type { HandshakeFailure } from "./handshake.ts";
import { ignore } from "./refuse.ts";
import { serveTls } from "./tls-server.ts";
import type { ListenerOptions, ListenerParts } from "./types.ts";

export interface InterceptNeeds {
  readonly options: ListenerOptions;
  readonly parts: ListenerParts;
  readonly connections: Connections;
  readonly highWaterMark: number;
  /** Serves HTTP on a socket whose TLS ends here. */
  serve(socket: TLSSocket, connection: Connection): void;
  warnOfDistrust(client: string, host: string, problem: string): void;
}

/** Answers a CONNECT to one of our origins and ends its TLS. Rejects, with nothing written, where there is no certificate. */
export async function intercept(
  connection: Connection,
  target: { host: string; port: number },
  head: Buffer,
  needs: InterceptNeeds,
): Promise<void> {
  const { parts } = needs;
  const outer = connection.socket;
  // Before the 200: afterwards there is no way left to say what went wrong.
  const context = await parts.contextFor(target.host);
  if (outer.destroyed) return;
  const intercepted = {
    ...target,
    authority: connectName(target),
    origin: parts.isOwnName(target.host) ? undefined : parts.intercepts("https", target.host, target.port),
  };
  // A client need not wait for the 200 before its ClientHello.
  if (head.length > 0) outer.unshift(head);
  beginTls(connection, intercepted, context, needs);
}

/** Says the 200 and goes on in TLS, in one step. */
export function beginTls(
  connection: Connection,
  intercepted: Intercepted,
  context: SecureContext,
  needs: InterceptNeeds,
): void {
  const outer = connection.socket;
  connection.intercepted = intercepted;
  connection.requests = 0;
  outer.write(established, "latin1");
  const socket = serveTls(outer, {
    context,
    timeout: needs.options.timeouts.clientHeader,
    highWaterMark: needs.highWaterMark,
    isSettled: () => connection.closing || connection.requests > 0,
    secure: (tls) => needs.serve(tls, connection),
    failed: (failure) => reportFailure(connection, failure, intercepted.host, needs),
  });
  needs.connections.wrap(connection, socket);
}

/** A connection to a port on which the proxy itself speaks TLS. Never rejects. */
export async function acceptTls(connection: Connection, needs: InterceptNeeds): Promise<void> {
  const { parts, options } = needs;
  const raw: Socket = connection.raw;
  raw.on("error", ignore);
  const host = options.tlsName ?? localAddress(raw);
  try {
    const context = await parts.contextFor(host);
    if (raw.destroyed) return;
    const socket = serveTls(raw, {
      context,
      contextFor: (name) => {
        const parsed = parseHostPort(name);
        return parts.contextFor(parsed === undefined ? host : parsed.host);
      },
      timeout: options.timeouts.clientHeader,
      highWaterMark: needs.highWaterMark,
      isSettled: () => connection.closing || connection.requests > 0 || connection.intercepted !== undefined,
      secure: (tls) => needs.serve(tls, connection),
      failed: (failure, tls) => reportFailure(connection, failure, servernameOf(tls) ?? host, needs),
    });
    needs.connections.wrap(connection, socket);
  } catch (thrown) {
    parts.log.error({ err: thrown, client: connection.client, host }, "no certificate for the TLS listener");
    raw.destroy();
  }
}

function reportFailure(connection: Connection, failure: HandshakeFailure, host: string, needs: InterceptNeeds): void {
  const isDistrust = failure.kind === "distrust";
  if (isDistrust) needs.warnOfDistrust(connection.client, host, failure.problem);
  needs.parts.record({
    door: connection.intercepted === undefined ? "origin" : "connect",
    client: connection.client,
    method: connection.intercepted === undefined ? "-" : "CONNECT",
    origin: connection.intercepted?.authority ?? host,
    error: isDistrust ? "CLIENT_DISTRUSTS_CA" : "CLIENT_TLS",
    problem: failure.problem,
  });
}

function localAddress(socket: Socket): string {
  const address = (socket.localAddress ?? "localhost").replace(/^::ffff:(?=\d+\.)/i, "");
  // A link-local address comes with its zone, which no certificate can hold.
  return isIPv6(address) ? address.replace(/%.*$/, "") : address;
}

/** What the client asked for by SNI; Node's types do not say that it is null or false where it did not. */
function servernameOf(socket: TLSSocket): string | undefined {
  const name: unknown = socket.servername;
  return typeof name === "string" && name !== "" ? name : undefined;
}
