import { once } from "node:events";
import net from "node:net";
import { join } from "node:path";
import t from "tap";
import { startRelay } from "../../../../scripts/bench/relay.ts";

t.test("a relay delays what passes, keeps its order, and ends each direction where it ended", async (t) => {
  const echo = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(echo, "listening");
  t.teardown(() => echo.close());
  const address = echo.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const logFile = join(t.testdir(), "relay.log");
  const line = { target: address.port, distance: 40, logFile, cpus: undefined };
  const { port, service } = await startRelay({ ...line, signal: new AbortController().signal });
  t.teardown(() => service.stop());
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  await once(socket, "connect");
  const sent = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  const started = performance.now();
  let firstAfter = 0;
  const received: Buffer[] = [];
  socket.on("data", (piece) => {
    firstAfter ||= performance.now() - started;
    received.push(piece);
  });
  for (let at = 0; at < sent.length; at += 7_000) socket.write(sent.subarray(at, at + 7_000));
  socket.end();
  await once(socket, "end");
  t.ok(Buffer.concat(received).equals(sent));
  t.ok(firstAfter >= 75, "there and back, and a connection's own round trip");
});
