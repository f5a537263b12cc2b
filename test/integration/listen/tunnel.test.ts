import { createCipheriv, createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import t, { type Test } from "tap";
import { EntrepotError } from "../../../src/core/errors.ts";
import { converse, dial, dialConnect, type RigOptions, startRig } from "./rig.ts";

/** A rig whose tunnels all lead to a server of the test. `reads`: into a buffer, as where the way is direct, or as a stream. */
async function startTunnels(
  t: Test,
  serve: (socket: Socket) => void,
  options: RigOptions & { readonly reads?: "buffer" | "stream" } = {},
) {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return startRig(t, {
    ...options,
    parts: {
      connect: async (_host, _port, _signal, onread) => {
        const way = { port, host: "127.0.0.1", allowHalfOpen: true };
        const socket = connect(options.reads === "stream" || onread === undefined ? way : { ...way, onread });
        await once(socket, "connect");
        return socket;
      },
      ...options.parts,
    },
  });
}

t.test("a tunnel carries both ways, head included, and is recorded once at its end", async (t) => {
  const rig = await startTunnels(t, (socket) => socket.pipe(socket));
  const client = await dial(rig.port);
  client.send("CONNECT site.test:8443 HTTP/1.1\r\nHost: site.test:8443\r\n\r\nearly ");
  await client.until(/^HTTP\/1\.1 200 [^\r]*\r\n\r\nearly $/);
  t.same(rig.records, [], "not before its end");
  client.send("late");
  await client.until(/early late$/);
  client.socket.end();
  await client.ended;
  t.match(await rig.recorded(), {
    door: "tunnel",
    kind: "tunnel",
    method: "CONNECT",
    client: "127.0.0.1",
    origin: "site.test:8443",
    status: 200,
    received: 10,
    bytes: 10,
    firstByte: Number,
    lastByte: Number,
    upstream: /^127\.0\.0\.1:\d+$/,
  });
  t.notOk("error" in (rig.records[0] ?? {}));
  t.equal(rig.records.length, 1);
});

t.test("half-close: a client that has said all still gets its answer, and the other way round", async (t) => {
  const rig = await startTunnels(t, (socket) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("end", () => socket.end(`heard ${text}`));
  });
  const client = converse(await dialConnect(rig.port, "site.test:443"));
  client.socket.end("all of it");
  t.equal(await client.ended, "heard all of it");

  const other = await startTunnels(t, (socket) => {
    socket.end("farewell");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("end", () => heard(text));
  });
  let heard: (text: string) => void = () => {};
  const told = new Promise<string>((resolve) => (heard = resolve));
  const socket = await dialConnect(other.port, "site.test:443");
  const reading = converse(socket, true);
  await reading.until(/farewell/);
  await new Promise((resolve) => (socket.readableEnded ? resolve(undefined) : socket.once("end", resolve)));
  reading.send("still here");
  socket.end();
  t.equal(await told, "still here");
  t.match(await other.recorded(), { bytes: 8, received: 10 });
});

t.test("backpressure reaches the sender: a client that does not read stops the target", async (t) => {
  const total = 64 * 1024 * 1024;
  let sent = 0;
  let stalled: () => void = () => {};
  const stall = new Promise<void>((resolve) => (stalled = resolve));
  const rig = await startTunnels(t, (socket) => {
    const piece = Buffer.alloc(64 * 1024);
    const fill = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!socket.write(piece)) {
          // The kernel's buffers are full for good once nothing drains for a while.
          const timer = setTimeout(stalled, 300);
          socket.once("drain", () => {
            clearTimeout(timer);
            fill();
          });
          return;
        }
      }
      socket.end();
    };
    fill();
  });
  const socket = await dialConnect(rig.port, "site.test:443");
  socket.pause();
  await stall;
  t.ok(sent < total / 2, `stopped at ${sent}`);
  let received = 0;
  socket.on("data", (chunk: Buffer) => (received += chunk.length));
  socket.resume();
  await once(socket, "end");
  t.equal(received, total);
  socket.end();
  t.match(await rig.recorded(), { bytes: total });
});

t.test("every byte arrives as it was sent, both ways at once, though readers stand still now and then", async (t) => {
  const total = 24 * 1024 * 1024;
  for (const reads of ["buffer", "stream"] as const) {
    const sums: Promise<string>[] = [];
    const rig = await startTunnels(t, (socket) => void sums.push(exchange(socket, total)), { reads });
    const here = await exchange(await dialConnect(rig.port, "site.test:443"), total);
    t.equal(here, createHash("sha256").update(testBytes(total)).digest("hex"), reads);
    t.equal(await sums[0], here, reads);
    t.match(await rig.recorded(), { bytes: total, received: total });
  }
});

t.test("a target that speaks first is heard, however late its client listens", async (t) => {
  for (const reads of ["buffer", "stream"] as const) {
    const rig = await startTunnels(t, (socket) => void socket.end(testBytes(3_000_000)), { reads });
    const socket = await dialConnect(rig.port, "site.test:443");
    const pieces = (await socket.toArray()) as Buffer[];
    t.ok(Buffer.concat(pieces).equals(testBytes(3_000_000)), reads);
    socket.end();
    t.match(await rig.recorded(), { bytes: 3_000_000 });
  }
});

/** Bytes of which no two pieces are the same. */
function testBytes(length: number): Buffer {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Sends the test's bytes and ends; resolves with the sha256 of what the other side sent. */
async function exchange(socket: Socket, length: number): Promise<string> {
  socket.end(testBytes(length));
  const hash = createHash("sha256");
  let pieces = 0;
  // It still sends when the other side has said all.
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    pieces += 1;
    if (pieces % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
  }
  return hash.digest("hex");
}

t.test("a broken side ends the other", async (t) => {
  const rig = await startTunnels(t, (socket) => {
    socket.once("data", () => socket.resetAndDestroy());
  });
  const client = converse(await dialConnect(rig.port, "site.test:443"));
  client.send("x");
  await client.ended;
  t.match(await rig.recorded(1), { error: "UPSTREAM_UNREACHABLE", problem: /ECONNRESET/ });

  let ended: () => void = () => {};
  const targetEnded = new Promise<void>((resolve) => (ended = resolve));
  const other = await startTunnels(t, (socket) => {
    socket.once("end", () => ended());
    socket.resume();
  });
  const socket = await dialConnect(other.port, "site.test:443");
  socket.resetAndDestroy();
  await targetEnded;
  t.match(await other.recorded(1), { error: "CANCELLED" });
  await other.stillServes();
});

t.test("a tunnel in which nothing moves is closed, one in which something does is not", async (t) => {
  const rig = await startTunnels(t, (socket) => socket.pipe(socket), { tunnel: { read: 250, send: 600 } });
  const started = performance.now();
  const client = converse(await dialConnect(rig.port, "site.test:443"));
  const chatter = setInterval(() => client.send("x"), 30);
  setTimeout(() => clearInterval(chatter), 500);
  await client.ended;
  t.ok(performance.now() - started > 700, "lived while it was used");
  t.match(await rig.recorded(), { error: "UPSTREAM_TIMEOUT", problem: /250 ms/ });
});

t.test("a client that takes nothing is cut off after the send limit", async (t) => {
  const rig = await startTunnels(t, (socket) => socket.write(Buffer.alloc(32 * 1024 * 1024)), {
    tunnel: { read: 60_000, send: 100 },
  });
  const socket = await dialConnect(rig.port, "site.test:443");
  socket.pause();
  t.match(await rig.recorded(), { error: "CANCELLED", problem: /No byte/ });
});

t.test("a target that cannot be reached", async (t) => {
  const answers = {
    "nowhere.test": new EntrepotError("UPSTREAM_UNRESOLVED", "nowhere.test does not resolve."),
    "closed.test": new EntrepotError("UPSTREAM_UNREACHABLE", "closed.test refused the connection."),
    "slow.test": new EntrepotError("UPSTREAM_TIMEOUT", "slow.test did not answer."),
    "denied.test": new EntrepotError("DENIED", "denied.test is not for you."),
  };
  const rig = await startRig(t, {
    parts: {
      connect: async (host) => {
        throw answers[host as keyof typeof answers];
      },
    },
  });
  let count = 0;
  for (const [host, error] of Object.entries(answers)) {
    const client = await dial(rig.port);
    client.send(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`);
    t.match(await client.ended, new RegExp(`^HTTP/1\\.1 ${error.status} [^]*${error.code}`));
    count += 1;
    t.match(await rig.recorded(count), { door: "tunnel", origin: host, status: error.status, error: error.code });
  }
  t.equal(rig.records.length, 4);
  await rig.stillServes();
});

t.test("dialling has a limit, and stops when the client leaves", async (t) => {
  const signals: AbortSignal[] = [];
  const never = (_host: string, _port: number, signal: AbortSignal): Promise<Socket> => {
    signals.push(signal);
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
    });
  };
  const rig = await startRig(t, { tunnel: { connect: 100 }, parts: { connect: never } });
  const patient = await dial(rig.port);
  patient.send("CONNECT site.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
  t.match(await patient.ended, /^HTTP\/1\.1 504 [^]*UPSTREAM_TIMEOUT/);

  const other = await startRig(t, { parts: { connect: never } });
  const client = await dial(other.port);
  client.send("CONNECT site.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
  while (signals.length < 2) await new Promise((resolve) => setImmediate(resolve));
  client.socket.resetAndDestroy();
  t.match(await other.recorded(), { error: "CANCELLED" });
  t.equal(signals[1]?.aborted, true);
  await other.stillServes();
});
