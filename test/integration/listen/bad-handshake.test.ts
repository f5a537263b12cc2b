import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { testAuthority } from "../../fixtures/certificates.ts";
import { converse, dial, dialConnect, secure, startRig } from "./rig.ts";

t.test("garbage instead of a ClientHello", async (t) => {
  const rig = await startRig(t);
  const client = converse(await dialConnect(rig.port, "registry.test:443"));
  client.send("this is no handshake, whatever it is\r\n".repeat(10));
  await client.ended;
  t.match(await rig.recorded(), {
    door: "connect",
    method: "CONNECT",
    origin: "registry.test",
    error: "CLIENT_TLS",
    problem: /no TLS handshake/,
  });
  await rig.stillServes();
  t.equal(rig.records.length, 1);
  t.same(rig.lines, []);
});

t.test("plain HTTP where TLS belongs", async (t) => {
  const rig = await startRig(t);
  const client = converse(await dialConnect(rig.port, "registry.test:443"));
  client.send("GET / HTTP/1.1\r\nHost: registry.test\r\n\r\n");
  await client.ended;
  t.match(await rig.recorded(), { error: "CLIENT_TLS", problem: /plain HTTP/ });
  t.equal(rig.records.length, 1);
  await rig.stillServes();
});

t.test("TLS 1.0", async (t) => {
  const rig = await startRig(t);
  const socket = await dialConnect(rig.port, "registry.test:443");
  const old = { minVersion: "TLSv1", maxVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" } as const;
  await t.rejects(secure(socket, old));
  t.match(await rig.recorded(), { error: "CLIENT_TLS", problem: /TLS 1\.2/ });
  t.equal(rig.records.length, 1);
  await rig.stillServes();
});

t.test("a ClientHello that never finishes", async (t) => {
  const rig = await startRig(t, { timeouts: { clientHeader: 100 } });
  const client = converse(await dialConnect(rig.port, "registry.test:443"));
  client.send(Buffer.from("16030102000100", "hex"));
  // A byte now and then does not keep it open: the limit is for the whole handshake.
  const drip = setInterval(() => client.send(Buffer.from([0])), 20);
  await client.ended;
  clearInterval(drip);
  t.match(await rig.recorded(), { error: "CLIENT_TLS", problem: /100 ms/ });
  t.equal(rig.records.length, 1);
  await rig.stillServes();
});

t.test("a client that leaves after the 200, or in the middle of its ClientHello", async (t) => {
  const rig = await startRig(t);
  (await dialConnect(rig.port, "registry.test:443")).end();
  t.match(await rig.recorded(1), { error: "CLIENT_TLS", problem: /without a TLS handshake/ });
  const half = await dialConnect(rig.port, "registry.test:443");
  half.end(Buffer.from("16030102000100", "hex"));
  t.match(await rig.recorded(2), { error: "CLIENT_TLS", problem: /in the middle/ });
  t.equal(rig.records.length, 2);
  t.same(rig.lines, [], "neither says anything about our certificate");
  await rig.stillServes();
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  t.test(`a client of ${version} that does not trust our CA is named as that, once a minute`, async (t) => {
    let now = 0;
    const rig = await startRig(t, { listen: { clock: { now: () => now } } });
    const attempt = async (count: number): Promise<void> => {
      // Node verifies after the handshake and leaves without an alert.
      const socket = await dialConnect(rig.port, "registry.test:443");
      await t.rejects(secure(socket, { ca: [], minVersion: version, maxVersion: version }));
      t.match(await rig.recorded(count), {
        door: "connect",
        client: "127.0.0.1",
        origin: "registry.test",
        error: "CLIENT_DISTRUSTS_CA",
      });
    };
    await attempt(1);
    t.match(rig.lines, [
      { level: "warn", client: "127.0.0.1", host: "registry.test", msg: /\/ca\.crt.*\/setup\/systemd.*restart/ },
    ]);
    now = 59_000;
    await attempt(2);
    t.equal(rig.lines.length, 1);
    now = 61_000;
    await attempt(3);
    t.equal(rig.lines.length, 2);
    t.equal(rig.records.length, 3);
    await rig.stillServes();
  });
}

for (const version of ["-tls1_2", "-tls1_3"]) {
  t.test(`a client of ${version} that says by an alert that it does not trust our CA`, async (t) => {
    const rig = await startRig(t);
    const nobody = ["-no-CAfile", "-no-CApath", "-no-CAstore", "-verify_return_error"];
    const through = ["-proxy", `127.0.0.1:${rig.port}`, "-connect", "registry.test:443"];
    const client = spawn("openssl", ["s_client", ...through, ...nobody, version], { stdio: "ignore" });
    await once(client, "exit");
    t.match(await rig.recorded(), { error: "CLIENT_DISTRUSTS_CA", problem: /alert unknown_ca/ });
    t.match(rig.lines, [{ event: "client-distrusts-ca", host: "registry.test" }]);
    t.equal(rig.records.length, 1);
    await rig.stillServes();
  });
}

t.test("an idle client that asked for something before it left is no such client", async (t) => {
  const rig = await startRig(t);
  const tls = await secure(await dialConnect(rig.port, "registry.test:443"));
  const client = converse(tls);
  client.send("GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n");
  await client.until(/\}\r\n0\r\n\r\n/);
  tls.end();
  await client.ended;
  await rig.stillServes();
  t.same(rig.records, []);
  t.same(rig.lines, []);
});

t.test("the listener that speaks TLS itself: its certificate goes by SNI, and CONNECT works inside", async (t) => {
  const rig = await startRig(t);
  const authority = testAuthority();
  const open = (servername: string | undefined) => {
    const outer = connectTls({
      port: rig.tlsPort,
      host: "127.0.0.1",
      ca: authority.caPem,
      checkServerIdentity: () => undefined,
      ...(servername !== undefined && { servername }),
    });
    return new Promise<typeof outer>((resolve, reject) => {
      outer.once("secureConnect", () => resolve(outer));
      outer.once("error", reject);
    });
  };
  const nameless = await open(undefined);
  t.equal(nameless.getPeerCertificate().subject.CN, "proxy.test", "without a name: the configured one");
  nameless.destroy();
  const outer = await open("other.test");
  t.equal(outer.getPeerCertificate().subject.CN, "other.test");
  const connecting = converse(outer);
  connecting.send("CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\n\r\n");
  await connecting.until(/^HTTP\/1\.1 200 [^\r]*\r\n\r\n$/);
  outer.removeAllListeners("data");
  const inner = converse(await secure(outer));
  inner.send("GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n");
  t.match(await inner.until(/\}\r\n/), /"door":"connect","origin":"registry\.test"/);
  inner.socket.destroy();
  const plain = converse(await open("other.test"));
  plain.send("GET /healthz HTTP/1.1\r\nHost: other.test\r\n\r\n");
  t.match(await plain.until(/\}\r\n/), /"name":"own"/);
});

t.test("garbage at the listener that speaks TLS", async (t) => {
  const rig = await startRig(t);
  const client = await dial(rig.tlsPort);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await client.ended;
  t.match(await rig.recorded(), { error: "CLIENT_TLS", problem: /plain HTTP/, client: "127.0.0.1" });
  t.equal(rig.records.length, 1);
  await rig.stillServes();
});
