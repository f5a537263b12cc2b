import { once } from "node:events";
import { connect, type Socket } from "node:net";
import t, { type Test } from "tap";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { connectThrough, RawSocket } from "../../fixtures/raw-socket.ts";

const host = "registry.test";
const piece = Buffer.alloc(1024 * 1024);
const pieces = 24;

const doors: Readonly<Record<string, (proxy: RunningProxy) => Promise<Socket>>> = {
  "an intercepted connection": ({ port, caPem }) => connectThrough({ proxyPort: port, caPem, host }),
  "a plain one": async ({ port }) => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  },
};

async function stage(t: Test, open: (proxy: RunningProxy) => Promise<Socket>): Promise<Socket> {
  const proxy = await startProxy(t, { env: { REGISTRIES: host } });
  const socket = await open(proxy);
  // What a reset does to its writes is looked at in what can be read.
  socket.on("error", () => undefined);
  t.teardown(() => socket.destroy());
  return socket;
}

const head = (length: number): string =>
  `PUT /v2/library/app/manifests/1 HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${length}\r\n\r\n`;

/** Writes as a client does that looks for no answer until it has sent all. */
async function writeAll(socket: Socket, count: number): Promise<void> {
  const closed = new Promise((resolve) => socket.once("close", resolve));
  for (let sent = 0; sent < count && !socket.destroyed; sent += 1) {
    const drained = new Promise((resolve) => socket.once("drain", resolve));
    if (!socket.write(piece)) await Promise.race([drained, closed]);
  }
}

for (const [door, open] of Object.entries(doors)) {
  t.test(`on ${door}, who is refused before all is sent and reads only then has the answer`, async (t) => {
    const socket = await stage(t, open);
    socket.write(head(pieces * piece.length));
    await writeAll(socket, pieces);
    t.notOk(socket.destroyed, "the connection is there until all is sent");
    const answer = await new RawSocket(socket).rest();
    t.match(answer, /^HTTP\/1\.1 (?:403|405|421) .*connection: close\r\n/is);
  });

  t.test(`on ${door}, who goes on sending is not listened to for long`, async (t) => {
    const socket = await stage(t, open);
    socket.write(head(1e12));
    const raw = new RawSocket(socket);
    await raw.until("\r\n\r\n");
    await writeAll(socket, Number.POSITIVE_INFINITY);
    t.pass("it ends");
  });
}
