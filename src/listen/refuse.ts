import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type EntrepotError, ociErrorBody } from "../core/errors.ts";
import { contentLength } from "../core/headers.ts";
import type { Trace } from "../observe/trace.ts";
import { closeAfter, destroyLater } from "../serve/linger.ts";
import type { Connection } from "./connection.ts";

/** Answers a request that becomes no exchange. */
export function refuseResponse(request: IncomingMessage, response: ServerResponse, error: EntrepotError): void {
  if (response.headersSent || response.destroyed) return;
  // What is left of a body would have to be read to the end before the next request.
  if (hasMoreBody(request)) closeAfter(request, response);
  else if (error.status === 400 || error.status === 431) response.shouldKeepAlive = false;
  const body = ociErrorBody(error);
  response.writeHead(error.status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

/** `complete` alone does not tell: at the time of a request without a body it is still false. */
function hasMoreBody({ complete, headers }: IncomingMessage): boolean {
  return !complete && (headers["transfer-encoding"] !== undefined || (contentLength(headers) ?? 0) > 0);
}

/** Answers on the socket itself, where there is no response object: a CONNECT, or what the parser gave up on. Closes it. */
export function refuseSocket(connection: Connection, socket: Duplex, error: EntrepotError): void {
  connection.closing = true;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = ociErrorBody(error);
  socket.on("error", ignore);
  socket.end(
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? "Error"}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  // RFC 9112 §9.6: closing with unread input in the buffer resets the connection, and the client loses the answer.
  destroyLater(socket);
  socket.resume();
}

/** What is logged of a refusal. */
export function refusalTrace(
  connection: Connection,
  error: EntrepotError,
  facts: Pick<Trace, "door"> & Partial<Trace>,
): Trace {
  const origin = connection.intercepted?.authority;
  return {
    client: connection.client,
    method: "-",
    ...(origin !== undefined && { origin }),
    ...facts,
    status: error.status,
    error: error.code,
    problem: error.message,
  };
}

/** For sockets whose end is noticed by `close`: without a listener their error would end the process. */
export function ignore(): void {}
