import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import t, { type Test } from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { type DialerOptions, createDialer } from "../../../src/upstream/dialer.ts";
import { createSend } from "../../../src/upstream/send.ts";
import { createAuthority, dialerOptions, serveBytes, serveEnder, serveHttp, serveHttps } from "./tls-server.ts";

const authority = createAuthority(t.testdir());
const pair = authority.issue("registry.test", "127.0.0.1");
const never = new AbortController().signal;

function requestBy(pour: boolean, t: Test, options: Partial<DialerOptions>) {
  const dialer = createDialer(dialerOptions(options));
  t.teardown(() => dialer.close());
  const send = createSend(dialer, { readMs: 5000, sendMs: 5000 });
  return async (host: string, port: number, signal = never, scheme: "https" | "http" = "https") => {
    const origin = makeOrigin(scheme, host, port);
    const { message } = await send({
      origin,
      method: "GET",
      path: "/",
      headers: {},
      authorization: undefined,
      pour,
      signal,
    });
    message.setEncoding("utf8");
    const body = (await message.toArray()).join("");
    return { status: message.statusCode, body };
  };
}

/** What an upstream sees of who asks it. */
function describe(message: IncomingMessage): string {
  const { servername, alpnProtocol } = message.socket as TLSSocket;
  return `${servername} ${message.headers.host} ${alpnProtocol}`;
}

// A wire makes its connection in another way than the pool of node's client does.
for (const pour of [false, true]) {
  t.test(pour ? "to be poured" : "to be read", (t) => {
    const request = (on: Test, options: Partial<DialerOptions>) => requestBy(pour, on, options);

    t.test("roots of the operator are trusted besides the built-in ones", async (t) => {
      const server = await serveHttps(t, pair, (message, response) => response.end(describe(message)));
      const get = request(t, { extraRoots: authority.root });
      t.same(await get("registry.test", server.port), {
        status: 200,
        body: `registry.test registry.test:${server.port} http/1.1`,
      });
      t.equal((await get("127.0.0.1", server.port)).status, 200, "a certificate for an address");
    });

    t.test("a bad certificate is an error that says what to do", async (t) => {
      const server = await serveHttps(t, pair, (_message, response) => response.end());
      await t.rejects(request(t, {})("registry.test", server.port), {
        code: "UPSTREAM_TLS",
        status: 502,
        message: /registry\.test.*UPSTREAM_CA_FILE.*insecure/,
      });
      const get = request(t, { extraRoots: authority.root });
      await t.rejects(get("other.test", server.port), {
        code: "UPSTREAM_TLS",
        message: /other\.test is for another name/,
      });
      await server.quiet();
    });

    t.test("a certificate is not checked where the operator says so", async (t) => {
      const server = await serveHttps(t, pair, (_message, response) => response.end());
      const only = request(t, { insecure: [`registry.test:${server.port}`, "one.test"] });
      t.equal((await only("registry.test", server.port)).status, 200);
      t.equal((await only("one.test", server.port)).status, 200);
      await t.rejects(only("two.test", server.port), { code: "UPSTREAM_TLS" });
      t.equal((await request(t, { verify: false })("two.test", server.port)).status, 200);
    });

    t.test("a plain HTTP registry", async (t) => {
      const server = await serveHttp(t, (message, response) => response.end(message.headers.host));
      const listed = request(t, { plainHttp: ["registry.test"] });
      t.same(await listed("registry.test", server.port), { status: 200, body: `registry.test:${server.port}` });
      await t.rejects(listed("other.test", server.port), { code: "UPSTREAM_TLS", message: /plainHttp/ });
      t.equal((await listed("other.test", server.port, never, "http")).status, 200);
    });

    t.test("HOST_MAP changes the address alone", async (t) => {
      const server = await serveHttps(t, pair, (message, response) => response.end(describe(message)));
      const hostMap = [{ host: "registry.test", port: 443, toHost: "127.0.0.1", toPort: server.port }];
      const get = request(t, { extraRoots: authority.root, hostMap, forbids: () => true });
      t.same(await get("registry.test", 443), { status: 200, body: "registry.test registry.test http/1.1" });
      const any = [{ host: "registry.test", port: undefined, toHost: "127.0.0.1", toPort: undefined }];
      const everywhere = request(t, { extraRoots: authority.root, hostMap: any, resolve: () => t.fail("resolved") });
      t.equal((await everywhere("registry.test", server.port)).status, 200, "any port, kept");
      const wrong = [{ host: "other.test", port: 443, toHost: "127.0.0.1", toPort: server.port }];
      const other = request(t, { extraRoots: authority.root, hostMap: wrong });
      await t.rejects(other("other.test", 443), { code: "UPSTREAM_TLS" }, "the check stays the name's");
    });

    t.test("a forbidden address is not connected to, by whatever name", async (t) => {
      const server = await serveHttp(t, (_message, response) => response.end());
      const asked: string[] = [];
      const get = request(t, { forbids: (address) => asked.push(address) > 0 });
      await t.rejects(get("registry.test", server.port, never, "http"), { code: "DENIED", status: 403 });
      await t.rejects(get("127.0.0.1", server.port, never, "http"), { code: "DENIED" });
      t.same(asked, ["127.0.0.1", "127.0.0.1"]);
      t.equal(server.accepted(), 0);
    });

    t.test("the addresses that are allowed remain", async (t) => {
      const server = await serveHttp(t, (_message, response) => response.end());
      const get = request(t, {
        forbids: (address) => address === "127.0.0.9",
        resolve: (_host, _options, done) =>
          done(
            null,
            ["127.0.0.9", "127.0.0.1"].map((address) => ({ address, family: 4 })),
          ),
      });
      t.equal((await get("registry.test", server.port, never, "http")).status, 200);
    });

    t.test("where one address refuses, the next one is tried", async (t) => {
      const server = await serveHttps(t, pair, (message, response) => response.end(describe(message)));
      const get = request(t, {
        extraRoots: authority.root,
        resolve: (_host, _options, done) =>
          done(
            null,
            ["127.0.0.9", "127.0.0.1"].map((address) => ({ address, family: 4 })),
          ),
      });
      const body = `registry.test registry.test:${server.port} http/1.1`;
      t.same(await get("registry.test", server.port), { status: 200, body });
    });

    t.test("DISABLE_IPV6 asks for IPv4 addresses alone", async (t) => {
      const server = await serveHttp(t, (_message, response) => response.end());
      const families: unknown[] = [];
      const resolve: DialerOptions["resolve"] = (_host, options, done) => {
        families.push(options.family);
        done(null, [{ address: "127.0.0.1", family: 4 }]);
      };
      await request(t, { ipv4Only: true, resolve })("registry.test", server.port, never, "http");
      await request(t, { resolve })("registry.test", server.port, never, "http");
      t.equal(families[0], 4);
      t.not(families[1], 4);
    });

    t.test("what cannot be connected to", async (t) => {
      const server = await serveBytes(t, (socket) => socket.resume());
      const get = request(t, { connectMs: 50 });
      await t.rejects(get("registry.test", server.port), { code: "UPSTREAM_TIMEOUT", status: 504 }, "no handshake");
      await t.rejects(get("registry.test", 1), {
        code: "UPSTREAM_UNREACHABLE",
        status: 502,
        message: /registry\.test/,
      });
      const lost = request(t, {
        resolve: (_host, _options, done) => done(Object.assign(new Error("no"), { code: "EAI_AGAIN" }), []),
      });
      await t.rejects(lost("registry.test", 443), {
        code: "UPSTREAM_UNRESOLVED",
        status: 502,
        message: /registry\.test/,
      });
      await t.rejects(request(t, { resolve: undefined })("nowhere.invalid", 443), { code: "UPSTREAM_UNRESOLVED" });
      await server.quiet();
    });

    t.test("a cancelled dialling leaves no connection", async (t) => {
      const server = await serveBytes(t, (socket) => {
        socket.resume();
        gone.abort();
      });
      const gone = new AbortController();
      await t.rejects(request(t, {})("registry.test", server.port, gone.signal), { code: "CANCELLED" });
      await server.quiet();
      await t.rejects(request(t, {})("registry.test", server.port, gone.signal), { code: "CANCELLED" });
      t.equal(server.accepted(), 1);
    });

    t.test("a connection is used again, one for each origin", async (t) => {
      const server = await serveHttps(t, pair, (_message, response) => response.end("x"));
      const get = request(t, { insecure: ["registry.test", "other.test"] });
      for (let i = 0; i < 3; i++) await get("registry.test", server.port);
      t.equal(server.accepted(), 1);
      await get("other.test", server.port);
      t.equal(server.accepted(), 2);
    });

    t.end();
  });
}

t.test("roots that are none stop the start", async (t) => {
  t.throws(() => createDialer(dialerOptions({ extraRoots: "not PEM" })), { code: "CONFIG_INVALID" });
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  t.throws(() => createDialer(dialerOptions({ extraRoots: broken })), { code: "CONFIG_INVALID" });
});

t.test("a tunnel keeps its halves apart", async (t) => {
  const server = await serveBytes(
    t,
    (socket) => {
      socket.resume().on("end", () => socket.end("heard all"));
    },
    true,
  );
  const dialer = createDialer(dialerOptions());
  const socket = await dialer.connect("anything.test", server.port, never);
  socket.end("hello");
  await once(socket, "finish");
  t.equal(String(await once(socket, "data")), "heard all");
  socket.destroy();
  const ender = await serveEnder(t);
  const other = await dialer.connect("anything.test", ender.port, never);
  await once(other.resume(), "end");
  other.end("still here");
  t.equal(await ender.heard, "still here");
  await t.rejects(dialer.connect("anything.test", 1, never), { code: "UPSTREAM_UNREACHABLE" });
  const denying = createDialer(dialerOptions({ forbids: () => true }));
  await t.rejects(denying.connect("anything.test", server.port, never), { code: "DENIED" });
});
