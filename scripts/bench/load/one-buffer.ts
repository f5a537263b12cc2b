import net from "node:net";

interface Handle {
  useUserBuffer?(buffer: Buffer): void;
}

/** One for all connections: what was read is consumed before anything else is read. */
const buffer = Buffer.allocUnsafe(64 * 1024);

/**
 * Lets a socket read into one buffer, as the `onread` option does for a socket that makes its own connection. Node ignores the option
 * for a TLS socket that is wrapped around a CONNECT's, and a buffer allocated for each record makes the load cost half as much again:
 * 0.79 CPU-s/GiB in place of 0.55. Where this node's inside is another one, the socket's `data` events do.
 */
export function readIntoOneBuffer(socket: net.Socket, consume: (piece: Buffer) => void): void {
  const callback = (length: number): boolean => {
    consume(buffer.subarray(0, length));
    return true;
  };
  const handle = Reflect.get(socket, "_handle") as Handle | undefined;
  const donor = new net.Socket({ onread: { buffer, callback } });
  const symbols = Object.getOwnPropertySymbols(donor).filter((symbol) =>
    /^kBuffer(Cb)?$/.test(symbol.description ?? ""),
  );
  if (symbols.length !== 2 || handle?.useUserBuffer === undefined) {
    socket.on("data", consume);
    return;
  }
  for (const symbol of symbols) Reflect.set(socket, symbol, Reflect.get(donor, symbol));
  handle.useUserBuffer(buffer);
  socket.read(0);
}
