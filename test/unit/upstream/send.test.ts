import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import t, { type Test } from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { createDialer } from "../../../src/upstream/dialer.ts";
import type { Hop, SendTimeouts } from "../../../src/upstream/hop.ts";
import { createSend } from "../../../src/upstream/send.ts";
import { dialerOptions, serveBytes, serveHttp } from "./tls-server.ts";

const never = new AbortController().signal;

function begin(t: Test, pour: boolean, port: number, timeouts: Partial<SendTimeouts> = {}) {
  const dialer = createDialer(dialerOptions());
  t.teardown(() => dialer.close());
  const send = createSend(dialer, { readMs: 5000, sendMs: 5000, ...timeouts });
  const origin = makeOrigin("http", "registry.test", port);
  return (hop: Partial<Hop> = {}) =>
    send({ origin, method: "GET", path: "/", headers: {}, authorization: undefined, pour, signal: never, ...hop });
}

async function text(body: Readable): Promise<string> {
  return Buffer.concat((await body.toArray()) as Buffer[]).toString();
}

/** A server that answers each connection's first bytes with these and closes. */
function serveRaw(t: Test, bytes: string) {
  return serveBytes(t, (socket) => socket.once("data", () => socket.end(bytes)));
}

// Both ways to read an answer give the same one, and the same errors.
for (const pour of [false, true]) {
  t.test(pour ? "on a wire" : "on node's own client", (t) => {
    const start = (on: Test, port: number, timeouts?: Partial<SendTimeouts>) => begin(on, pour, port, timeouts);

    t.test("a request arrives as it was given, and its answer as it came", async (t) => {
      const server = await serveHttp(t, (message, response) => {
        response.setHeader("X-Mixed-Case", ["1", "2"]);
        response.end(JSON.stringify([message.method, message.url, message.rawHeaders]));
      });
      const send = start(t, server.port);
      const headers = { accept: ["a/b", "c/d"], "content-length": "99" };
      const { message, address } = await send({ path: "/v2/%2E?x=%20", headers, authorization: "Basic eA==" });
      t.same(JSON.parse(await text(message)), [
        "GET",
        "/v2/%2E?x=%20",
        [
          "accept",
          "a/b",
          "accept",
          "c/d",
          "host",
          `registry.test:${server.port}`,
          "authorization",
          "Basic eA==",
        ].concat(["Connection", "keep-alive"]),
      ]);
      t.equal(address, `127.0.0.1:${server.port}`);
      const at = message.rawHeaders.indexOf("X-Mixed-Case");
      t.same(message.rawHeaders.slice(at, at + 4), ["X-Mixed-Case", "1", "X-Mixed-Case", "2"]);
    });

    t.test("heads of nearly 128 KiB pass, larger ones do not", async (t) => {
      const server = await serveHttp(t, (message, response) => {
        response.writeHead(200, { big: "x".repeat(Number(message.url?.slice(1))) }).end();
      });
      const send = start(t, server.port);
      const { message } = await send({ path: "/127000" });
      t.equal(message.headers["big"]?.length, 127_000);
      message.resume();
      await t.rejects(send({ path: "/140000" }), { code: "UPSTREAM_PROTOCOL", message: /128 KiB/ });
    });

    for (const [what, bytes] of [
      ["closes mid-header", "HTTP/1.1 200 OK\r\ncontent-le"],
      ["closes at once", ""],
      ["answers garbage", "\x16\x03\x01 what?\r\n\r\n"],
      ["has two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"],
    ]) {
      t.test(`an upstream that ${what}`, async (t) => {
        const server = await serveRaw(t, bytes ?? "");
        await t.rejects(start(t, server.port)(), { code: "UPSTREAM_PROTOCOL", status: 502, message: /registry\.test/ });
        t.equal(server.accepted(), 1, "a new connection is not tried again");
        await server.quiet();
      });
    }

    for (const [what, bytes] of [
      ["its Content-Length", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234"],
      ["its last chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n1234\r\n"],
      ["a right chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n1234\r\nnonsense\r\n"],
    ]) {
      t.test(`a body cut before ${what}`, async (t) => {
        const server = await serveRaw(t, bytes ?? "");
        const { message } = await start(t, server.port)();
        const pieces: Buffer[] = [];
        message.on("data", (piece: Buffer) => pieces.push(piece));
        const [error]: unknown[] = await once(message, "error");
        t.match(error, { code: "UPSTREAM_WRONG_LENGTH", status: 502, message: /registry\.test/ });
        t.match(message.errored, { code: "UPSTREAM_WRONG_LENGTH" });
        t.equal(Buffer.concat(pieces).toString(), "1234", "what came before is delivered");
      });
    }

    t.test("bytes beyond the Content-Length reach nobody", async (t) => {
      const server = await serveBytes(t, (socket) => {
        const answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n1234";
        socket.on("data", () => socket.write(`${answer}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`));
      });
      const send = start(t, server.port);
      t.equal(await text((await send()).message), "1234");
      t.equal(await text((await send()).message), "1234");
    });

    t.test("an upstream that never answers", async (t) => {
      const server = await serveBytes(t, (socket) => socket.resume());
      const error = { code: "UPSTREAM_TIMEOUT", status: 504, message: /registry\.test sent nothing for 40 ms/ };
      await t.rejects(start(t, server.port, { readMs: 40 })(), error);
      await server.quiet();
    });

    t.test("a body that stalls", async (t) => {
      const server = await serveHttp(t, (_message, response) => {
        response.writeHead(200, { "content-length": 9 }).write("1234");
      });
      const { message } = await start(t, server.port, { readMs: 40 })();
      message.resume();
      const [error]: unknown[] = await once(message, "error");
      t.match(error, { code: "UPSTREAM_TIMEOUT" });
      await server.quiet();
    });

    t.test("a paused reader is no stall", async (t) => {
      const server = await serveHttp(t, (_message, response) => {
        response.writeHead(200, { "content-length": 8 }).write("1234");
        late.promise.then(() => response.end("5678"), t.threw);
      });
      const late = Promise.withResolvers<undefined>();
      const { message } = await start(t, server.port, { readMs: 40 })();
      await once(message, "readable");
      await new Promise((resolve) => setTimeout(resolve, 120));
      t.equal(message.destroyed, false);
      late.resolve(undefined);
      t.equal(await text(message), "12345678");
    });

    t.test("an idle connection that the upstream has closed is replaced", async (t) => {
      let answered = 0;
      const server = await serveBytes(t, (socket) => {
        // The second request on a connection is met with a reset, as when it crosses the close.
        let asked = 0;
        socket.on("data", () => {
          if (asked++ > 0) return socket.resetAndDestroy();
          answered++;
          return socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
        });
      });
      const send = start(t, server.port);
      const idle = await Promise.all([send(), send(), send()]);
      for (const { message } of idle) await text(message);
      t.equal(await text((await send()).message), "hi");
      t.equal(answered, 4);
      t.equal(server.accepted(), 4, "one new connection");
    });

    t.test("what was answered in part is not sent again", async (t) => {
      const server = await serveBytes(t, (socket) => {
        let asked = 0;
        socket.on("data", () => {
          if (asked++ > 0) return socket.end("HTTP/1.1 2");
          return socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        });
      });
      const send = start(t, server.port);
      await text((await send()).message);
      await t.rejects(send(), { code: "UPSTREAM_PROTOCOL" });
      t.equal(server.accepted(), 1);
    });

    t.test("a request body is streamed, on a connection of its own, with backpressure", async (t) => {
      const go = Promise.withResolvers<undefined>();
      const server = await serveHttp(t, (message, response) => {
        if (message.method === "GET") return void response.end();
        let length = 0;
        go.promise.then(() => {
          message.on("data", (piece: Buffer) => (length += piece.length));
          message.on("end", () => response.end(`${message.headers["content-length"]} ${length}`));
        }, t.threw);
      });
      const send = start(t, server.port);
      await text((await send()).message);
      const total = 24 * 1024 * 1024;
      let made = 0;
      const body = new Readable({
        read(size) {
          const length = Math.min(size, total - made);
          made += length;
          this.push(length === 0 ? null : Buffer.alloc(length));
        },
      });
      const answer = send({ method: "PUT", body, headers: { "content-length": String(total) } });
      let before = -1;
      while (made !== before) {
        before = made;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      t.ok(made > 0 && made < total, "the source waits for the upstream");
      go.resolve(undefined);
      t.equal(await text((await answer).message), `${total} ${total}`);
      t.equal(server.accepted(), 2);
    });

    for (const method of ["GET", "DELETE", "PUT"]) {
      t.test(`the body of a ${method} of unknown length is framed`, async (t) => {
        const inner = "GET /inner HTTP/1.1\r\nhost: registry.test\r\n\r\n";
        const seen: string[] = [];
        const server = await serveHttp(t, (message, response) => {
          const pieces: Buffer[] = [];
          message.on("data", (piece: Buffer) => pieces.push(piece));
          message.on("end", () => {
            seen.push(`${message.method} ${message.url} ${Buffer.concat(pieces).toString() === inner}`);
            response.end("ok");
          });
        });
        const send = start(t, server.port);
        const { message } = await send({ method, path: "/outer", body: Readable.from([Buffer.from(inner)]) });
        t.equal(await text(message), "ok");
        await text((await send({ path: "/next" })).message);
        t.same(seen, [`${method} /outer true`, "GET /next false"]);
      });
    }

    t.test("an upstream that takes no more of the body", async (t) => {
      const server = await serveBytes(t, (socket) => socket.pause());
      const body = new Readable({ read: (size) => void body.push(Buffer.alloc(size)) });
      const sending = start(t, server.port, { sendMs: 60, readMs: 5000 })({ method: "PUT", body });
      await t.rejects(sending, { code: "UPSTREAM_TIMEOUT", message: /took nothing/ });
      body.destroy();
    });

    t.test("a source that pauses is no stall, one that breaks ends the request", async (t) => {
      const server = await serveHttp(t, (message, response) => {
        message.resume().on("end", () => response.end("got it"));
      });
      const send = start(t, server.port, { sendMs: 40 });
      const slow = new PassThrough();
      slow.write("some");
      const answer = send({ method: "PUT", body: slow });
      await new Promise((resolve) => setTimeout(resolve, 120));
      slow.end("more");
      t.equal(await text((await answer).message), "got it");

      const broken = new PassThrough();
      broken.write("some");
      const failed = send({ method: "PUT", body: broken });
      broken.destroy();
      await t.rejects(failed, { code: "CANCELLED" });
      await t.rejects(send({ method: "PUT", body: broken }), { code: "CANCELLED" });
    });

    t.test("an answer before the end of the body", async (t) => {
      const server = await serveBytes(t, (socket) => {
        socket.once("data", () => socket.end("HTTP/1.1 413 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"));
      });
      const body = new PassThrough();
      body.write("some");
      const { message } = await start(t, server.port)({ method: "PUT", body });
      t.equal(message.statusCode, 413);
      t.equal(await text(message), "no");
      body.destroy();
    });

    t.test("a cancelled request leaves no connection, at whatever moment", async (t) => {
      const server = await serveHttp(t, (message, response) => {
        if (message.url === "/head") return gone.abort();
        return void response.writeHead(200, { "content-length": 9 }).write("1234");
      });
      const gone = new AbortController();
      const send = start(t, server.port);
      await t.rejects(send({ path: "/head", signal: gone.signal }), { code: "CANCELLED" });
      await server.quiet();
      const later = new AbortController();
      const { message } = await send({ path: "/body", signal: later.signal });
      message.once("data", () => later.abort());
      const [error]: unknown[] = await once(message, "error");
      t.match(error, { code: "CANCELLED" });
      await server.quiet();
      const { message: unread } = await send({ path: "/body" });
      unread.destroy();
      await server.quiet();
      await t.rejects(send({ signal: gone.signal }), { code: "CANCELLED" });
    });

    t.test("what cannot stand on a request line", async (t) => {
      const send = start(t, 1);
      await t.rejects(send({ path: "/a b" }), { code: "BAD_REQUEST" });
      await t.rejects(send({ headers: { accept: "a\r\nb: c" } }), { code: "BAD_REQUEST" });
    });

    t.end();
  });
}
