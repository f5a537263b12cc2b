import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { Place } from "../machine/place.ts";

/** What is sent at once; a pause follows that makes the rate. */
const step = 64 * 1024;

/**
 * A port of 127.0.0.1 that leads to another one, over a line that brings at most `rate` bytes per second to each connection: so that
 * clients which start together are surely under way together.
 */
export async function startSlowLink(place: Place, to: number, rate: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    }
    pipeline(near, far, () => near.destroy());
    pipeline(
      far,
      (bytes: AsyncIterable<Buffer>) => paced(bytes, rate),
      near,
      () => far.destroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  place.atEnd(async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

async function* paced(bytes: AsyncIterable<Buffer>, rate: number): AsyncGenerator<Buffer> {
  let sent = 0;
  const begin = performance.now();
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += step) {
      const part = chunk.subarray(at, at + step);
      sent += part.length;
      yield part;
      const early = begin + (sent / rate) * 1000 - performance.now();
      if (early > 1) await delay(early);
    }
  }
}
