import { once } from "node:events";
import t, { type Test } from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { type DialerOptions, createDialer } from "../../../src/upstream/dialer.ts";
import { createEgress } from "../../../src/upstream/egress.ts";
import { createSend } from "../../../src/upstream/send.ts";
import { serveHttpProxy, serveSocks } from "./egress-proxies.ts";
import { createAuthority, dialerOptions, serveBytes, serveEnder, serveHttp, serveHttps } from "./tls-server.ts";

const authority = createAuthority(t.testdir());
const pair = authority.issue("registry.test", "127.0.0.1");
const signal = new AbortController().signal;

/** A resolver that knows nothing, as behind an egress proxy. */
const blind: DialerOptions["resolve"] = (_host, _options, done) =>
  done(Object.assign(new Error("no DNS"), { code: "ENOTFOUND" }), []);

function start(t: Test, options: Partial<DialerOptions>) {
  const dialer = createDialer(dialerOptions({ extraRoots: authority.root, resolve: blind, ...options }));
  t.teardown(() => dialer.close());
  const send = createSend(dialer, { readMs: 5000, sendMs: 5000 });
  const get = async (host: string, port: number, scheme: "https" | "http" = "https") => {
    const origin = makeOrigin(scheme, host, port);
    const headers = { accept: "x/y" };
    const { message } = await send({ origin, method: "GET", path: "/a?b", headers, authorization: undefined, signal });
    return (await message.toArray()).join("");
  };
  return { dialer, get };
}

t.test("HTTPS through an HTTP proxy", async (t) => {
  const server = await serveHttps(t, pair, (message, response) =>
    response.end(`${message.url} ${message.headers["proxy-authorization"]}`),
  );
  const proxy = await serveHttpProxy(t);
  const { get } = start(t, { egress: { httpsProxy: `http://me:s%40cret@127.0.0.1:${proxy.port}` } });
  t.equal(await get("registry.test", server.port), "/a?b undefined");
  t.equal(await get("registry.test", server.port), "/a?b undefined");
  t.same(proxy.seen, [`CONNECT registry.test:${server.port}`], "the tunnel is used again");
  t.same(proxy.authorizations, [`Basic ${Buffer.from("me:s@cret").toString("base64")}`]);
});

t.test("HTTPS through an HTTPS proxy", async (t) => {
  const server = await serveHttps(t, pair, (_message, response) => response.end("hello"));
  const proxy = await serveHttpProxy(t, { pair });
  const { get } = start(t, { egress: { allProxy: `https://127.0.0.1:${proxy.port}` } });
  t.equal(await get("registry.test", server.port), "hello");
  t.same(proxy.seen, [`CONNECT registry.test:${server.port}`]);
});

t.test("plain HTTP takes the absolute form", async (t) => {
  const server = await serveHttp(t, (message, response) => response.end(`${message.headers.host}`));
  const proxy = await serveHttpProxy(t);
  const { get } = start(t, {
    egress: { httpProxy: `me:secret@127.0.0.1:${proxy.port}` },
    plainHttp: [`listed.test:${server.port}`],
  });
  t.equal(await get("registry.test", server.port, "http"), `registry.test:${server.port}`);
  t.equal(await get("listed.test", server.port), `listed.test:${server.port}`);
  t.same(proxy.seen, [`GET http://registry.test:${server.port}/a?b`, `GET http://listed.test:${server.port}/a?b`]);
  t.match(proxy.authorizations[0], /^Basic /);
});

t.test("a proxy that refuses, and one that is not there", async (t) => {
  const proxy = await serveHttpProxy(t, { refuse: 407 });
  const { get, dialer } = start(t, { egress: { httpsProxy: `http://me:hidden@127.0.0.1:${proxy.port}` } });
  const refused = { code: "UPSTREAM_UNREACHABLE", message: /127\.0\.0\.1.*407.*registry\.test.*password/ };
  const error: unknown = await get("registry.test", 443).catch((thrown: unknown) => thrown);
  t.match(error, refused);
  t.notMatch(JSON.stringify([error, String(error)]), "hidden");
  await t.rejects(dialer.connect("registry.test", 443, signal), refused);
  await proxy.quiet();
  const gone = start(t, { egress: { httpsProxy: "http://127.0.0.1:1" } });
  await t.rejects(gone.get("registry.test", 443), { code: "UPSTREAM_UNREACHABLE" });
});

t.test("a forbidden address is not asked of a proxy", async (t) => {
  const proxy = await serveHttpProxy(t);
  const { dialer, get } = start(t, { egress: { allProxy: `http://127.0.0.1:${proxy.port}` }, forbids: () => true });
  await t.rejects(dialer.connect("169.254.169.254", 80, signal), { code: "DENIED" });
  await t.rejects(get("169.254.169.254", 80, "http"), { code: "DENIED" });
  t.equal(proxy.accepted(), 0);
});

t.test("a proxy that never answers", async (t) => {
  const proxy = await serveBytes(t, (socket) => socket.resume());
  for (const scheme of ["http", "socks5h"]) {
    const { get } = start(t, {
      connectMs: 50,
      tunnelConnectMs: 50,
      egress: { httpsProxy: `${scheme}://127.0.0.1:${proxy.port}` },
    });
    await t.rejects(get("registry.test", 443), { code: "UPSTREAM_TIMEOUT" }, scheme);
  }
  await proxy.quiet();
});

t.test("a tunnel loses nothing of a target that speaks first", async (t) => {
  const server = await serveBytes(
    t,
    (socket) => {
      socket.write("220 ready\r\n");
      socket.resume().on("end", () => socket.end("bye"));
    },
    true,
  );
  const proxy = await serveHttpProxy(t);
  const { dialer } = start(t, { egress: { httpsProxy: `http://127.0.0.1:${proxy.port}` } });
  const socket = await dialer.connect("mail.test", server.port, signal);
  t.equal(String(await once(socket, "data")), "220 ready\r\n");
  socket.destroy();
});

t.test("SOCKS5, with names resolved there or here", async (t) => {
  const server = await serveHttps(t, pair, (_message, response) => response.end("hello"));
  const proxy = await serveSocks(t);
  const there = start(t, { egress: { allProxy: `socks5h://127.0.0.1:${proxy.port}` } });
  t.equal(await there.get("registry.test", server.port), "hello");
  const known: Partial<DialerOptions> = {
    egress: { allProxy: `socks5://127.0.0.1:${proxy.port}` },
    resolve: (_host, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]),
  };
  t.equal(await start(t, known).get("registry.test", server.port), "hello");
  t.same(proxy.seen, [`CONNECT registry.test:${server.port}`, `CONNECT 127.0.0.1:${server.port}`]);
  await t.rejects(start(t, { ...known, forbids: () => true }).get("registry.test", server.port), { code: "DENIED" });
  const refusing = await serveSocks(t, 5);
  const refused = start(t, { egress: { allProxy: `socks5h://127.0.0.1:${refusing.port}` } });
  await t.rejects(refused.get("registry.test", server.port), { code: "UPSTREAM_UNREACHABLE" });
});

t.test("a SOCKS tunnel keeps its halves apart", async (t) => {
  const server = await serveBytes(t, (socket) => socket.resume().on("end", () => socket.end("heard all")), true);
  const proxy = await serveSocks(t);
  const { dialer } = start(t, { egress: { allProxy: `socks5h://127.0.0.1:${proxy.port}` } });
  const socket = await dialer.connect("anything.test", server.port, signal);
  socket.end("hello");
  t.equal(String(await once(socket, "data")), "heard all");
  socket.destroy();
  const ender = await serveEnder(t);
  const other = await dialer.connect("anything.test", ender.port, signal);
  await once(other.resume(), "end");
  other.end("still here");
  t.equal(await ender.heard, "still here");
});

t.test("a PAC file decides by host and scheme", async (t) => {
  const server = await serveHttps(t, pair, (_message, response) => response.end("hello"));
  const proxy = await serveHttpProxy(t);
  const script = `function FindProxyForURL(url, host) {
    return url.indexOf("https://registry.test") === 0 ? "PROXY 127.0.0.1:${proxy.port}" : "DIRECT";
  }`;
  const pac = `pac+data:application/x-ns-proxy-autoconfig;base64,${Buffer.from(script).toString("base64")}`;
  const { get } = start(t, { egress: { httpsProxy: pac } });
  t.equal(await get("registry.test", server.port), "hello");
  t.equal(await get("127.0.0.1", server.port), "hello");
  t.same(proxy.seen, [`CONNECT registry.test:${server.port}`]);
});

t.test("NO_PROXY and HOST_MAP", async (t) => {
  const server = await serveHttps(t, pair, (_message, response) => response.end("hello"));
  const proxy = await serveHttpProxy(t);
  const hostMap = [{ host: "registry.test", port: 443, toHost: "127.0.0.1", toPort: server.port }];
  const egress = { httpsProxy: `http://127.0.0.1:${proxy.port}` };
  t.equal(await start(t, { egress, hostMap }).get("registry.test", 443), "hello");
  t.same(proxy.seen, [`CONNECT 127.0.0.1:${server.port}`]);
  for (const noProxy of ["127.0.0.0/8", "registry.test"]) {
    t.equal(await start(t, { hostMap, egress: { ...egress, noProxy } }).get("registry.test", 443), "hello", noProxy);
  }
  t.equal(proxy.seen.length, 1);
});

t.test("the environment of the process is not looked at", async (t) => {
  t.intercept(process, "env", { value: { ...process.env, HTTPS_PROXY: "http://127.0.0.1:1" } });
  const server = await serveHttps(t, pair, (_message, response) => response.end("hello"));
  t.equal(await start(t, {}).get("127.0.0.1", server.port), "hello");
});

t.test("what is no proxy stops the start, and its password is not shown", async (t) => {
  for (const httpsProxy of [
    "ftp://me:hidden@proxy.test",
    "http://",
    "socks9://x:hidden@y",
    "http://me:hidden@:99999",
  ]) {
    try {
      createEgress({ httpsProxy });
      t.fail(httpsProxy);
    } catch (error) {
      t.match(error, { code: "CONFIG_INVALID", message: /HTTPS_PROXY/ });
      t.notMatch(String(error), "hidden");
    }
  }
});
