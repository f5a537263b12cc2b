import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from "node:net";
import { connect, type ConnectionOptions, TLSSocket } from "node:tls";
import t, { type Test } from "tap";
import { type Authority, openAuthority } from "../../../src/ca/authority.ts";
import { createLeafContexts, type LeafContexts } from "../../../src/ca/leaf.ts";

const day = 86_400_000;

function clockAt(time: number): { time: number; now: () => number } {
  const clock = { time, now: () => clock.time };
  return clock;
}

/** A TLS server for one host, the way an intercepted CONNECT ends: the socket is wrapped by hand. */
async function serve(t: Test, contexts: LeafContexts, host: string, errors: Error[] = []): Promise<number> {
  const server = createServer((socket: Socket) => {
    socket.on("error", () => undefined);
    void contexts.contextFor(host).then((secureContext) => {
      const secure = new TLSSocket(socket, { isServer: true, secureContext });
      secure.on("error", (error) => errors.push(error));
      secure.end("hello");
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function shake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const secure = connect({ socket: connectTcp(port, "127.0.0.1"), ...options });
  secure.resume();
  await once(secure, "secureConnect");
  return secure;
}

async function open(t: Test): Promise<Authority> {
  return await openAuthority({ directory: t.testdir() });
}

t.test("a client that trusts the root completes a handshake", async (t) => {
  const authority = await open(t);
  const contexts = createLeafContexts({ authority, clock: { now: Date.now } });
  const ca = authority.rootPem;
  const long = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.example`;
  for (const host of ["registry.test", "xn--bcher-kva.example", long]) {
    const secure = await shake(await serve(t, contexts, host), { servername: host, ca });
    t.equal(secure.authorized, true, host);
    t.equal(secure.getProtocol(), "TLSv1.3");
    t.equal(secure.getCipher().standardName, "TLS_AES_128_GCM_SHA256");
    secure.destroy();
  }
  for (const host of ["127.0.0.1", "::1"]) {
    const secure = await shake(await serve(t, contexts, host), { host, ca });
    t.equal(secure.authorized, true, host);
    secure.destroy();
  }
  const port = await serve(t, contexts, "registry.test");
  await t.rejects(shake(port, { servername: "other.test", ca }), { code: "ERR_TLS_CERT_ALTNAME_INVALID" });
  await t.rejects(shake(port, { servername: "registry.test" }), "not without the root");
});

t.test("TLS 1.2 takes the cheapest cipher of both sides, older versions are refused", async (t) => {
  const authority = await open(t);
  const errors: Error[] = [];
  const port = await serve(t, createLeafContexts({ authority, clock: { now: Date.now } }), "registry.test", errors);
  const client = { servername: "registry.test", ca: authority.rootPem };
  const ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  const twelve = await shake(port, { ...client, maxVersion: "TLSv1.2", ciphers });
  t.equal(twelve.getCipher().name, "ECDHE-ECDSA-AES128-GCM-SHA256");
  twelve.destroy();
  const strong = await shake(port, { ...client, maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" });
  t.equal(strong.getCipher().name, "ECDHE-ECDSA-AES256-GCM-SHA384");
  strong.destroy();
  await t.rejects(
    shake(port, { ...client, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }),
  );
  t.match(errors, [{ message: /unsupported protocol/ }]);
});

t.test("concurrent requests for one host mint once", async (t) => {
  const authority = await open(t);
  let minted = 0;
  const counting = {
    notAfter: authority.notAfter,
    issueLeaf: async (host: string) => {
      minted++;
      return await authority.issueLeaf(host);
    },
  };
  const contexts = createLeafContexts({ authority: counting, clock: { now: Date.now }, maximum: 2 });
  const all = await Promise.all(Array.from({ length: 50 }, async () => await contexts.contextFor("a.test")));
  t.equal(minted, 1);
  t.equal(new Set(all).size, 1);
  t.equal(await contexts.contextFor("a.test"), all[0]);
  await Promise.all(["b.test", "c.test"].map(async (host) => await contexts.contextFor(host)));
  t.equal(minted, 3);
  await contexts.contextFor("a.test");
  t.equal(minted, 4, "the one used longest ago made room");
});

t.test("a failure is not kept", async (t) => {
  const authority = await open(t);
  let broken = true;
  const contexts = createLeafContexts({
    authority: {
      notAfter: authority.notAfter,
      issueLeaf: async (host) => {
        if (broken) throw new Error("no entropy");
        return await authority.issueLeaf(host);
      },
    },
    clock: { now: Date.now },
  });
  await t.rejects(contexts.contextFor("a.test"), /no entropy/);
  broken = false;
  t.ok(await contexts.contextFor("a.test"));
});

t.test("a leaf is renewed before it ends, in the same process", async (t) => {
  const clock = clockAt(Date.UTC(2030, 0, 1));
  const authority = await openAuthority({ directory: t.testdir(), clock });
  const contexts = createLeafContexts({ authority, clock });
  const first = await contexts.contextFor("a.test");
  const until = async (): Promise<number> =>
    new X509Certificate(await contexts.certificateFor("a.test")).validToDate.getTime();
  const end = await until();
  clock.time += 59 * day;
  t.equal(await contexts.contextFor("a.test"), first);
  clock.time += day;
  const second = await contexts.contextFor("a.test");
  t.not(second, first);
  t.equal(await until(), end + 60 * day);
  // Years on, without a restart.
  for (let month = 0; month < 60; month++) {
    clock.time += 30 * day;
    t.ok((await until()) > clock.time + 20 * day);
  }
});

t.test("a leaf that ends with its CA is kept to its end, and a clock set back makes a new one", async (t) => {
  const clock = clockAt(Date.UTC(2030, 0, 1));
  const authority = await openAuthority({ directory: t.testdir(), clock });
  const contexts = createLeafContexts({ authority, clock });
  const early = await contexts.contextFor("a.test");
  clock.time -= 2 * day;
  t.not(await contexts.contextFor("a.test"), early);

  clock.time = authority.notAfter - 3 * day;
  const last = await contexts.contextFor("a.test");
  clock.time = authority.notAfter - 1000;
  t.equal(await contexts.contextFor("a.test"), last);
  clock.time = authority.notAfter;
  await t.rejects(contexts.contextFor("a.test"), { code: "CA_INVALID" });
});
