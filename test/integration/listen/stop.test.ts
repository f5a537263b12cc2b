import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import t from "tap";
import type { Exchange } from "../../../src/serve/exchange.ts";
import { converse, dial, dialConnect, secure, startRig } from "./rig.ts";

const get = "GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n";

t.test("drain closes idle connections, lets exchanges end, and takes no new ones", async (t) => {
  const held: Exchange[] = [];
  const rig = await startRig(t, {
    parts: {
      registry: async (exchange) => {
        held.push(exchange);
      },
    },
  });
  const fresh = await dial(rig.port);
  const idle = await dial(rig.port);
  idle.send(get);
  await idle.until(/\}\r\n0\r\n\r\n/);
  const idleTls = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  const busy = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  busy.send(get);
  const begun = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  begun.send(get);
  while (held.length < 2) await new Promise((resolve) => setImmediate(resolve));
  held[1]?.response.writeHead(200, { "Content-Length": "5" });
  held[1]?.response.write("hel");
  await begun.until(/hel$/);

  const stopped = rig.listener.stop("drain", 60_000);
  // On the same connection, but not an exchange that runs.
  begun.send(get);
  await Promise.all([fresh.ended, idle.ended, idleTls.ended]);
  await t.rejects(dial(rig.port), { code: "ECONNREFUSED" });
  t.equal(rig.listener.connections(), 2);
  held[1]?.response.end("lo");
  t.match(await begun.ended, /hello/, "what has begun is finished, and its connection closed");
  t.equal(held.length, 2, "and nothing new begun");
  held[0]?.response.end("done");
  t.match(await busy.ended, /Connection: close[^]*done$/);
  await stopped;
  t.equal(rig.listener.connections(), 0);
  t.match(rig.records, [{ status: 503, error: "STOPPING" }], "a stop is no other client's fault");
  t.same(rig.lines, []);
});

t.test("drain cuts what is left at its limit, tunnels too", async (t) => {
  const server = createServer((socket) => socket.on("error", () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const rig = await startRig(t, {
    parts: {
      registry: async () => {},
      connect: async () => {
        const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
        await once(socket, "connect");
        return socket;
      },
    },
  });
  const tunnel = converse(await dialConnect(rig.port, "site.test:443"));
  const busy = await dial(rig.port);
  busy.send("GET http://registry.test/v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
  while (rig.listener.connections() < 2) await new Promise((resolve) => setImmediate(resolve));
  const started = performance.now();
  await rig.listener.stop("drain", 200);
  t.ok(performance.now() - started >= 190);
  await Promise.all([tunnel.ended, busy.ended]);
  t.match(await rig.recorded(), { door: "tunnel", error: "STOPPING" });
});

t.test("now cuts at once, also in the middle of a drain", async (t) => {
  const rig = await startRig(t, { parts: { registry: async () => {} } });
  const busy = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  busy.send(get);
  const handshaking = converse(await dialConnect(rig.port, "registry.test:443"));
  const draining = rig.listener.stop("drain", 60_000);
  await rig.listener.stop("now", 0);
  await draining;
  await Promise.all([busy.ended, handshaking.ended]);
  t.equal(rig.listener.connections(), 0);
});
