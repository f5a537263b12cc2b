import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { pipeline } from "node:stream";
import type { Place } from "../machine/place.ts";
import type { Upstream } from "./docker-registry.ts";

/** The internet, to clients that do not go through the program under test: a proxy that leads each registry's name to it, and no other. */
export interface StraightWay {
  /** What a client needs in its environment to get there, and to trust who is there. */
  readonly environment: Record<string, string>;
  /** The hosts that were connected to while `action` ran. */
  during(action: () => Promise<unknown>): Promise<string[]>;
}

export async function startStraightWay(
  place: Place,
  upstreams: readonly Upstream[],
  roots: string,
): Promise<StraightWay> {
  const ports = new Map(upstreams.map(({ host, port }) => [`${host}:443`, port]));
  const sockets = new Set<Socket>();
  let seen: string[] = [];
  const server = createServer((_, response) => response.writeHead(403).end());
  server.on("connect", (request: IncomingMessage, near: Socket) => {
    const target = request.url ?? "";
    seen.push(target.replace(/:443$/, ""));
    const port = ports.get(target);
    near.on("error", () => undefined);
    if (port === undefined) return near.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    const far = connect(port, "127.0.0.1", () => near.write("HTTP/1.1 200 OK\r\n\r\n"));
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    }
    pipeline(near, far, () => near.destroy());
    return pipeline(far, near, () => far.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  place.atEnd(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const { port } = server.address() as AddressInfo;
  return {
    environment: {
      HTTPS_PROXY: `http://127.0.0.1:${port}`,
      SSL_CERT_FILE: roots,
      SSL_CERT_DIR: place.folder("no-certificates"),
    },
    async during(action) {
      seen = [];
      await action();
      return [...new Set(seen)];
    },
  };
}
