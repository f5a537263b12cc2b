import { EntrepotError } from "../core/errors.ts";
import type { Connection } from "./connection.ts";
import { refuseResponse } from "./refuse.ts";
import { progressOf, Silence } from "./silence.ts";
import type { ListenerOptions } from "./types.ts";

/** The interval of a connection's idle timer, in milliseconds. */
export function idleInterval(timeouts: ListenerOptions["timeouts"]): number {
  return Math.min(timeouts.send, timeouts.clientBody);
}

/**
 * What to do when nothing has moved on an HTTP connection for one interval: whose turn it is decides. Waiting for an upstream is
 * nobody's fault here, and an unfinished header has a limit of its own.
 */
export function handleIdle(connection: Connection, timeouts: ListenerOptions["timeouts"]): void {
  const { socket, newest } = connection;
  if (connection.closing) return;
  if (connection.running === 0) {
    if (connection.requests > 0) socket.destroySoon();
    return;
  }
  const interval = idleInterval(timeouts);
  connection.silence ??= new Silence();
  const silent = connection.silence.add(interval, progressOf(socket), interval);
  if (newest === undefined) {
    // An answer of the lane's, which is whole and waits for nobody but the client.
    if (silent >= timeouts.send) socket.destroy();
    else socket.setTimeout(interval);
    return;
  }
  const { request, response, trace } = newest;
  if (socket.writableLength > 0) {
    if (silent >= timeouts.send) {
      trace.error ??= "CANCELLED";
      trace.problem ??= `The client took no byte of the answer for ${silent} ms.`;
      socket.destroy();
      return;
    }
  } else if (awaitsBody(connection) && silent >= timeouts.clientBody) {
    const error = new EntrepotError("REQUEST_TIMEOUT", `No byte of the request's body came for ${silent} ms.`);
    trace.error ??= error.code;
    trace.problem ??= error.message;
    if (response.headersSent) socket.destroy();
    else {
      trace.status ??= error.status;
      refuseResponse(request, response, error);
    }
    return;
  }
  socket.setTimeout(interval);
}

/**
 * Whether it is the client that keeps a body waiting, and not whoever is to read it. A client that waits for its 100
 * (RFC 9110 §10.1.1) does so until somebody reads.
 */
function awaitsBody(connection: Connection): boolean {
  const request = connection.newest?.request;
  if (request === undefined || request.complete || request.readableLength > 0) return false;
  return request.readableFlowing === true || request.listenerCount("readable") > 0;
}
