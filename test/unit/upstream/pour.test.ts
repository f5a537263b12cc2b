import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import fc from "fast-check";
import t, { type Test } from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { type Pourable, isPourable } from "../../../src/core/pourable.ts";
import { type DialerOptions, createDialer } from "../../../src/upstream/dialer.ts";
import type { Hop, SendTimeouts } from "../../../src/upstream/hop.ts";
import { createSend } from "../../../src/upstream/send.ts";
import { createAuthority, dialerOptions, serve, serveBytes, serveHttp } from "./tls-server.ts";

const authority = createAuthority(t.testdir());
const pair = authority.issue("registry.test");
const never = new AbortController().signal;

interface Way {
  readonly scheme?: "http" | "https";
  readonly timeouts?: Partial<SendTimeouts>;
  readonly dialer?: Partial<DialerOptions>;
}

function start(t: Test, port: number, { scheme = "http", timeouts, dialer: more }: Way = {}) {
  const dialer = createDialer(dialerOptions({ extraRoots: authority.root, ...more }));
  t.teardown(() => dialer.close());
  const send = createSend(dialer, { readMs: 5000, sendMs: 5000, ...timeouts });
  const origin = makeOrigin(scheme, "registry.test", port);
  return async (hop: Partial<Hop> = {}): Promise<Pourable> => {
    const asked = { origin, method: "GET", path: "/", headers: {}, authorization: undefined, signal: never };
    const { message } = await send({ ...asked, pour: true, ...hop });
    if (!isPourable(message)) throw new Error("It cannot be poured.");
    return message;
  };
}

async function poured(body: Pourable): Promise<string> {
  let all = "";
  body.pour((bytes) => (all += bytes.toString("latin1")));
  body.resume();
  await once(body, "end");
  return all;
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What is done with a body at each of its pieces: whether to pause, and for how many turns of the loop. */
const pauses = fc.array(fc.record({ after: fc.integer({ min: 1, max: 9 }), turns: fc.integer({ min: 0, max: 20 }) }), {
  minLength: 1,
  maxLength: 8,
});

function pausing(body: Readable, plan: readonly { readonly after: number; readonly turns: number }[]): () => void {
  let pieces = 0;
  let step = 0;
  return () => {
    pieces += 1;
    const { after, turns } = plan[step % plan.length] ?? { after: 1, turns: 0 };
    if (pieces < after || body.isPaused()) return;
    pieces = 0;
    step += 1;
    body.pause();
    const wait = (left: number): void => void setImmediate(() => (left === 0 ? body.resume() : wait(left - 1)));
    wait(turns);
  };
}

/** Answers with the bytes, written in pieces of the sizes given, in turn. */
async function answer(socket: Socket, bytes: Buffer, sizes: readonly number[], inChunks: boolean): Promise<void> {
  const framing = inChunks ? "transfer-encoding: chunked" : `content-length: ${bytes.length}`;
  socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const piece = bytes.subarray(at, at + (sizes[index % sizes.length] ?? 1));
    at += piece.length;
    if (inChunks) socket.write(`${piece.length.toString(16)};x=y\r\n`);
    const free = socket.write(piece);
    if (inChunks) socket.write("\r\n");
    if (!free) await once(socket, "drain");
  }
  if (inChunks) socket.write("0\r\nTrailer: x\r\n\r\n");
}

for (const scheme of ["http", "https"] as const) {
  t.test(`over ${scheme}, not a byte is lost or changed by pauses, poured or read`, async (t) => {
    let script: { bytes: Buffer; sizes: readonly number[]; inChunks: boolean } | undefined;
    const onSocket = (socket: Socket) =>
      socket.on("data", () => {
        if (script !== undefined)
          answer(socket, script.bytes, script.sizes, script.inChunks).catch(() => socket.destroy());
      });
    const server =
      scheme === "http" ? await serveBytes(t, onSocket) : await serve(t, createTlsServer({ ...pair }, onSocket));
    const send = start(t, server.port, { scheme });
    const sizes = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 4 });
    const length = fc.integer({ min: 0, max: 2_000_000 });
    await fc.assert(
      fc.asyncProperty(
        length,
        sizes,
        fc.boolean(),
        fc.boolean(),
        pauses,
        async (size, pieces, inChunks, pour, plan) => {
          // Small pieces of a large body only make the test slow.
          const enough = pieces.map((piece) => Math.max(piece, Math.ceil(size / 500)));
          script = { bytes: randomBytes(size), sizes: enough, inChunks };
          const body = await send();
          const hash = createHash("sha256");
          const rest = pausing(body, plan);
          const take = (bytes: Buffer) => {
            hash.update(bytes);
            rest();
          };
          if (pour) body.pour(take);
          else body.on("data", take);
          body.resume();
          await once(body, "end");
          return hash.digest("hex") === sha256(script.bytes);
        },
      ),
      { numRuns: 40 },
    );
    t.equal(server.accepted(), 1, "one connection for all of them");
  });
}

t.test("a paused body holds the upstream back", async (t) => {
  const total = 64 * 1024 * 1024;
  let written = 0;
  const server = await serveHttp(t, (_message, response) => {
    response.writeHead(200, { "content-length": total });
    const piece = Buffer.alloc(65_536);
    const more = (): void => {
      let free = true;
      while (free && written < total) {
        free = response.write(piece);
        written += piece.length;
      }
    };
    response.on("drain", more);
    more();
  });
  const body = await start(t, server.port)();
  let got = 0;
  body.pour((bytes) => (got += bytes.length));
  let before = -1;
  while (written !== before) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  t.ok(written < total / 2, "before anybody resumes it");
  t.equal(got, 0);
  body.destroy();
  await server.quiet();
});

t.test("what comes before anybody reads is kept", async (t) => {
  const bytes = randomBytes(40_000);
  const server = await serve(
    t,
    createTlsServer({ ...pair }, (socket) => socket.on("data", () => void answer(socket, bytes, [9000], false))),
  );
  const send = start(t, server.port, { scheme: "https" });
  for (const pour of [true, false]) {
    const body = await send();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const got = pour ? Buffer.from(await poured(body), "latin1") : Buffer.concat((await body.toArray()) as Buffer[]);
    t.ok(got.equals(bytes), pour ? "poured" : "read");
  }
});

t.test("pieces are views of one buffer", async (t) => {
  const server = await serveHttp(t, (_message, response) => response.end(Buffer.alloc(4_000_000)));
  const buffers = new Set<ArrayBufferLike>();
  const body = await start(t, server.port)();
  body.pour((bytes) => buffers.add(bytes.buffer));
  body.resume();
  await once(body, "end");
  t.ok(buffers.size <= 2, `${buffers.size} buffers: the connection's, and a copy of what came with the head`);
});

t.test("what spoke out of turn is not asked again", async (t) => {
  const text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
  const sockets: Socket[] = [];
  const server = await serveBytes(t, (socket) => {
    sockets.push(socket);
    socket.on("data", () => socket.write(text));
  });
  const send = start(t, server.port);
  t.equal(await poured(await send()), "hi");
  sockets[0]?.write(text.replace("hi", "no"));
  await server.quiet();
  t.equal(await poured(await send()), "hi");
  t.equal(server.accepted(), 2);
});

t.test("a connection that brought more than the answer is not kept", async (t) => {
  const server = await serveBytes(t, (socket) => {
    socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi there"));
  });
  t.equal(await poured(await start(t, server.port)()), "hi");
  await server.quiet();
});

for (const [what, head] of [
  ["Connection: close", "HTTP/1.1 200 OK\r\nconnection: close"],
  ["HTTP/1.0", "HTTP/1.0 200 OK"],
  ["a Keep-Alive of a second", "HTTP/1.1 200 OK\r\nKeep-Alive: max=9, timeout=1"],
]) {
  t.test(`a connection is not kept after ${what}`, async (t) => {
    const server = await serveBytes(t, (socket) => {
      socket.on("data", () => socket.write(`${head}\r\ncontent-length: 2\r\n\r\nhi`));
    });
    t.equal(await poured(await start(t, server.port)()), "hi");
    await server.quiet();
  });
}

t.test("an idle connection ends with its time, with the peer's, and with the dialer", async (t) => {
  const server = await serveHttp(t, (_message, response) => response.end("hi"));
  await poured(await start(t, server.port, { dialer: { idleMs: 30 } })());
  await server.quiet();
  const send = start(t, server.port);
  await poured(await send());
  for (const socket of server.open) socket.end();
  await server.quiet();
  t.equal(await poured(await send()), "hi");
  const dialer = createDialer(dialerOptions());
  const origin = makeOrigin("http", "registry.test", server.port);
  const hop = { origin, method: "GET", path: "/", headers: {}, authorization: undefined, pour: true, signal: never };
  const { message } = await createSend(dialer, { readMs: 5000, sendMs: 5000 })(hop);
  const before = server.open.size;
  dialer.close();
  if (isPourable(message)) await poured(message);
  while (server.open.size === before) await new Promise((resolve) => setImmediate(resolve));
  t.pass("one that ends after the dialer is not kept");
});

t.test("an error that nobody listens for ends nothing", async (t) => {
  const server = await serveBytes(t, (socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234"));
  });
  const body = await start(t, server.port)();
  await new Promise((resolve) => body.resume().once("close", resolve));
  t.match(body.errored, { code: "UPSTREAM_WRONG_LENGTH" });
});

t.test("what cannot be sent is the requester's fault", async (t) => {
  const server = await serveBytes(t, (socket) => socket.resume());
  const send = start(t, server.port);
  const bad = { code: "BAD_REQUEST", status: 400 };
  await t.rejects(send({ path: "/a b" }), bad);
  await t.rejects(send({ path: "/\r\nx: y" }), bad);
  await t.rejects(send({ headers: { "x y": "" } }), bad);
  await t.rejects(send({ headers: { x: "a\r\nb: c" } }), bad);
  await t.rejects(send({ authorization: "Basic \0" }), bad);
  t.equal(server.accepted(), 0);
});

t.test("a proxied origin, and another method, are read as ever", async (t) => {
  const server = await serveHttp(t, (message, response) => response.end(message.url));
  const proxied = start(t, server.port, { dialer: { egress: { httpProxy: `http://127.0.0.1:${server.port}` } } });
  await t.rejects(proxied(), /cannot be poured/);
  await t.rejects(start(t, server.port)({ method: "HEAD" }), /cannot be poured/);
});
