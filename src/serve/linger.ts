import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Milliseconds for which a client that has its answer may go on sending. */
const lingering = 1000;

/**
 * Has the connection closed after an answer that comes before the whole request has. Closing it with unread input would reset it, and a client that is still
 * sending would lose the answer (RFC 9112 §9.6): so our half is ended, and what comes is read and thrown away, for a moment.
 */
export function closeAfter(request: IncomingMessage, response: ServerResponse): void {
  response.shouldKeepAlive = false;
  const { socket } = request;
  // What Node calls once an answer without keep-alive has been handed over.
  socket.destroySoon = () => linger(request, socket);
}

function linger(request: IncomingMessage, socket: Socket): void {
  // Whoever else wants it closed waits for the answer alone.
  Reflect.deleteProperty(socket, "destroySoon");
  socket.end();
  destroyLater(socket);
  request.once("end", () => socket.destroySoon());
  request.unpipe();
  request.removeAllListeners("data");
  request.resume();
}

/** For a socket whose own half has ended, and that is read meanwhile. */
export function destroyLater(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), lingering);
  socket.once("close", () => clearTimeout(timer));
}
