import type { Socket } from "node:net";

/** Gives a socket to the HTTP server together with what was read from it already. Nobody else may listen to its data. */
export function handOver<S extends Socket>(socket: S, chunk: Buffer, serve: (socket: S) => void): void {
  serve(socket);
  // Told directly: what is put back into the stream would come in a later turn, after the server's own reading has begun.
  for (const listener of socket.listeners("data")) listener.call(socket, chunk);
}
