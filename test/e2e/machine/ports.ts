import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A port of 127.0.0.1 that nobody listens on, for a program that cannot say which one it was given. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** True where somebody accepts a connection on this Unix socket, else undefined: a probe for `until`. */
export function accepts(path: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(undefined));
  });
}
