import t from "tap";
import { bodyOf, codeOf, converse, dial, dialConnect, secure, startRig } from "./rig.ts";

const get = (path: string, host = "registry.test"): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

t.test("CONNECT to an intercepted host ends its TLS and hands on requests of that origin", async (t) => {
  const rig = await startRig(t);
  const tls = await secure(await dialConnect(rig.port, "registry.test:443"), { ALPNProtocols: ["h2", "http/1.1"] });
  t.equal(tls.alpnProtocol, "http/1.1");
  const client = converse(tls);
  client.send(get("/v2/app/manifests/1?ns=x"));
  const answer = await client.until(/\}\r\n/);
  t.match(bodyOf(answer), {
    name: "registry",
    door: "connect",
    origin: "registry.test",
    target: "/v2/app/manifests/1?ns=x",
    client: "127.0.0.1",
  });
  t.equal(rig.exchanges[0]?.trace.path, "/v2/app/manifests/1", "the trace has no query");
  t.equal(rig.listener.connections(), 1);
  t.same(rig.records, [], "an exchange is its handler's to log");
});

t.test("a Host that means the CONNECT host is accepted however it is written, another one is not", async (t) => {
  const rig = await startRig(t);
  const tls = await secure(await dialConnect(rig.port, "Registry.Test:443"));
  const client = converse(tls);
  let answers = 0;
  for (const host of ["registry.test", "REGISTRY.test", "registry.test.", "registry.test:443"]) {
    client.send(get("/v2/", host));
    answers += 1;
    t.match(await client.until(new RegExp(`(?:"registry"[^]*?\\}\\r\\n[^]*?){${answers}}`)), /200 OK/, host);
  }
  client.send(get("/v2/", "other.test"));
  t.match(await client.until(/421 [^]*MISDIRECTED[^]*\}/), /application\/json/);
  client.send(get("/v2/"));
  await client.until(new RegExp(`(?:"registry"[^]*?\\}\\r\\n[^]*?){${answers + 1}}`));
  t.match(rig.records, [
    { door: "connect", status: 421, error: "MISDIRECTED", origin: "registry.test", method: "GET" },
  ]);
  t.equal(rig.records.length, 1);
});

t.test("a port that is not the CONNECT port is another host", async (t) => {
  const rig = await startRig(t);
  const client = converse(await secure(await dialConnect(rig.port, "registry.test:5000")));
  client.send(get("/v2/", "registry.test:5000"));
  t.match(bodyOf(await client.until(/\}\r\n/)), { origin: "registry.test:5000" });
  client.send(get("/v2/", "registry.test"));
  await client.until(/ 421 [^]*MISDIRECTED/);
});

t.test("absolute form inside CONNECT counts by its authority", async (t) => {
  const rig = await startRig(t);
  const client = converse(await secure(await dialConnect(rig.port, "registry.test:443")));
  client.send(get("https://REGISTRY.test/v2/"));
  t.match(bodyOf(await client.until(/\}\r\n/)), { name: "registry", target: "/v2/" });
  client.send(get("https://other.test/v2/"));
  await client.until(/ 421 /);
  client.send(get("http://registry.test/v2/"));
  await client.until(/ 421 [^]* 421 /);
});

t.test("a ClientHello that comes with the CONNECT is not lost", async (t) => {
  const rig = await startRig(t);
  const probe = await dial(rig.port);
  const late = await dial(rig.port);
  // The bytes of a ClientHello, taken from a client of TLS whose other end is here.
  const hello = await new Promise<Buffer>((resolve) => {
    void import("node:stream").then(({ Duplex }) => {
      const pipe = new Duplex({ read() {}, write: (chunk: Buffer, _encoding, done) => (resolve(chunk), done()) });
      void secure(pipe as never).catch(() => {});
    });
  });
  const head = Buffer.from("CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test:443\r\n\r\n");
  probe.send(Buffer.concat([head, hello]));
  // A TLS handshake record with a ServerHello in it.
  const answer = await probe.until(/\r\n\r\n\x16\x03\x03/);
  t.match(answer, /^HTTP\/1\.1 200 /);
  late.socket.destroy();
});

t.test("our own name is ours, inside CONNECT and in absolute form", async (t) => {
  const rig = await startRig(t);
  const own = "docker.caching.proxy.internal";
  const tls = await secure(await dialConnect(rig.port, `${own}:443`), { servername: own });
  const inside = converse(tls);
  inside.send(get("/ca.crt", own));
  const first = bodyOf(await inside.until(/\}\r\n/));
  t.match(first, { name: "own", door: "connect", target: "/ca.crt" });
  t.notOk("origin" in first);
  const outside = await dial(rig.port);
  outside.send(get(`http://${own}/ca.crt`, own));
  t.match(bodyOf(await outside.until(/\}\r\n/)), { name: "own", door: "absolute", target: "/ca.crt" });
});

t.test("absolute form: an intercepted host, another one, and https", async (t) => {
  const rig = await startRig(t);
  const client = await dial(rig.port);
  client.send(get("http://registry.test/v2/", "ignored.test"));
  t.match(bodyOf(await client.until(/\}\r\n/)), { name: "registry", door: "absolute", origin: "http://registry.test" });
  const other = await dial(rig.port);
  other.send(get("http://site.test:8080?q=1", "site.test:8080"));
  t.match(bodyOf(await other.until(/\}\r\n/)), {
    name: "forward",
    origin: "http://site.test:8080",
    target: "/?q=1",
  });
  const https = await dial(rig.port);
  https.send(get("https://registry.test/v2/"));
  t.match(bodyOf(await https.until(/\}\r\n/)), { name: "registry", origin: "registry.test" });
  const refused = await dial(rig.port);
  refused.send(get("https://user:secret@site.test/"));
  t.match(await refused.ended, /^HTTP\/1\.1 400 /);
  const needsConnect = await dial(rig.port);
  needsConnect.send(get("https://site.test/"));
  t.match(await needsConnect.ended, /^HTTP\/1\.1 400 [^]*CONNECT/);
  t.notMatch(JSON.stringify(rig.records), /secret/);
  t.equal(rig.records.length, 2);
});

t.test("origin form is our own", async (t) => {
  const rig = await startRig(t);
  const client = await dial(rig.port);
  client.send(get("/setup/systemd", "127.0.0.1:3128"));
  t.match(bodyOf(await client.until(/\}\r\n/)), { name: "own", door: "origin", target: "/setup/systemd" });
});

t.test("a client and a target that policy forbids get 403 before anything is dialled", async (t) => {
  let dialled = 0;
  const rig = await startRig(t, {
    parts: {
      connect: async () => {
        dialled += 1;
        throw new Error("never");
      },
    },
  });
  const target = await dial(rig.port);
  target.send("CONNECT forbidden.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
  t.match(await target.ended, /^HTTP\/1\.1 403 [^]*DENIED/);
  const absolute = await dial(rig.port);
  absolute.send(get("http://forbidden.test/"));
  t.match(await absolute.until(/\}\n$/), /^HTTP\/1\.1 403 /);
  t.match(rig.records, [{ error: "DENIED", origin: "forbidden.test" }, { error: "DENIED" }]);

  const closed = await startRig(t, { parts: { admitsClient: (address) => address !== "127.0.0.1" } });
  const client = await dial(closed.port);
  client.send(get("/healthz"));
  t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 403 [^]*127\.0\.0\.1/);
  const connecting = await dial(closed.port);
  connecting.send("CONNECT registry.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
  t.match(await connecting.ended, /^HTTP\/1\.1 403 /);
  t.equal(dialled, 0);
});

t.test("an Upgrade is answered as if it had not been asked for", async (t) => {
  const rig = await startRig(t);
  const client = await dial(rig.port);
  client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  t.match(await client.until(/\}\r\n/), /^HTTP\/1\.1 200 /);
});

t.test("Expect: 100-continue is the handler's to answer, another expectation is refused", async (t) => {
  const rig = await startRig(t, {
    parts: {
      own: async ({ request, response }) => {
        if (request.headers.expect !== undefined) response.writeContinue();
        let body = "";
        for await (const chunk of request) body += String(chunk);
        response.end(`got ${body}`);
      },
    },
  });
  const client = await dial(rig.port);
  client.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  client.send("abc");
  await client.until(/got abc/);
  const odd = await dial(rig.port);
  odd.send("GET /x HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n");
  await odd.until(/ 417 /);
  t.equal(rig.records.length, 1);
});

t.test("a certificate that cannot be made is a clean error to the CONNECT", async (t) => {
  const rig = await startRig(t, {
    parts: {
      contextFor: async (host) => {
        throw new Error(`disk of ${host} on fire`);
      },
      hotContextFor: () => undefined,
    },
  });
  const client = await dial(rig.port);
  client.send("CONNECT registry.test:443 HTTP/1.1\r\nHost: x\r\n\r\n");
  const answer = await client.ended;
  t.match(answer, /^HTTP\/1\.1 500 /);
  t.equal(codeOf(answer), "INTERNAL");
  t.notMatch(answer, /fire/);
  t.equal(rig.records.length, 1);
  await rig.stillServes();
});

t.test("a handler that rejects against its promise costs one client one answer", async (t) => {
  const rig = await startRig(t, {
    parts: {
      registry: async () => {
        throw new Error("bug");
      },
    },
  });
  const client = await dial(rig.port);
  client.send(get("http://registry.test/v2/"));
  t.match(await client.until(/\}\n/), /^HTTP\/1\.1 500 /);
  t.match(rig.lines, [{ level: "error" }]);
  await rig.stillServes();
});
