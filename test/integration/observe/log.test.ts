import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Writable } from "node:stream";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { compose } from "../../../src/compose/service.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { createLog } from "../../../src/observe/log.ts";
import { gate } from "../../fixtures/gate.ts";
import { testAuthority } from "../../fixtures/certificates.ts";
import type { RunningProxy } from "../../fixtures/proxy.ts";
import { manifestAccept, ProxyClient } from "../../fixtures/proxy-client.ts";
import { openRaw, RawSocket } from "../../fixtures/raw-socket.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { syntheticBlob } from "../../fixtures/synthetic-blob.ts";
import { exchangeLines, finalLines, hub, lineOf, stage, until } from "../stage.ts";

const headers = { accept: manifestAccept };

t.test("every exchange is one line with all that an operator asks for", async (t) => {
  const { registry, proxy, client } = await stage(t);
  const image = registry.image({ repository: "library/app", tag: "1.2", layers: [uniqueBytes(5000)] });
  const [layer] = image.layers;
  const blob = `/v2/library/app/blobs/${layer?.digest}`;
  const manifest = "/v2/library/app/manifests/1.2";
  await client.request(manifest, { headers });
  await client.request(blob);
  await client.request(`${blob}?some=query`);
  await client.request(manifest, { method: "HEAD", headers });
  await client.request("/v2/library/app/tags/list?n=5");
  await client.request("/v2/library/app/manifests/none", { headers });
  await client.request(blob, { method: "DELETE" });
  const common = { level: "info", door: "connect", client: "127.0.0.1", origin: hub, repository: "library/app" };
  const upstream = `127.0.0.1:${registry.port}`;
  const lines = await finalLines(proxy);
  t.match(lines, [
    {
      ...common,
      method: "GET",
      path: manifest,
      kind: "manifest",
      reference: "1.2",
      status: 200,
      cache: "MISS",
      tier: "manifest-default-disabled",
      bytes: image.manifest.bytes.length,
      upstream,
      attempts: 1,
    },
    {
      ...common,
      kind: "blob",
      path: blob,
      reference: layer?.digest,
      status: 200,
      cache: "MISS",
      bytes: 5000,
      upstream,
      attempts: 1,
    },
    {
      ...common,
      kind: "blob",
      path: blob,
      cache: "HIT",
      tier: "blob-by-digest",
      bytes: 5000,
      upstream: undefined,
      attempts: undefined,
    },
    { ...common, method: "HEAD", kind: "manifest", status: 200, cache: "REVALIDATED", bytes: undefined, upstream },
    { ...common, kind: "tags", path: "/v2/library/app/tags/list", cache: "BYPASS", status: 200, upstream },
    { ...common, kind: "manifest", reference: "none", status: 404, cache: "MISS", upstream, attempts: 1 },
    {
      ...common,
      method: "DELETE",
      kind: "blob",
      status: 405,
      error: "UNSUPPORTED",
      msg: /ALLOW_PUSH/,
      upstream: undefined,
    },
  ]);
  t.equal(lines.length, 7, "and nothing else is logged of them");
  for (const line of lines) {
    const { firstByte, lastByte, time } = line;
    t.ok(typeof firstByte === "number" && typeof lastByte === "number" && lastByte >= firstByte && firstByte >= 0);
    t.ok(Math.abs(Date.now() - Date.parse(String(time))) < 60_000);
  }
});

t.test("the time to the last byte is that of the last byte", async (t) => {
  const { registry, proxy, client } = await stage(t);
  const blob = registry.blob("library/app", syntheticBlob("timed", 2_000_000));
  const rest = gate();
  registry.fault({ kind: "blob" }, { stall: { after: 1_000_000, until: rest } });
  const response = await client.open(`/v2/library/app/blobs/${blob.digest}`);
  const begun = performance.now();
  await until(() => performance.now() - begun > 200);
  rest.open();
  response.resume();
  await once(response, "end");
  const { firstByte, lastByte, bytes } = await lineOf(proxy, ({ kind }) => kind === "blob");
  t.equal(bytes, 2_000_000);
  t.ok(Number(lastByte) - Number(firstByte) >= 200, `${String(firstByte)} ms, ${String(lastByte)} ms`);
});

t.test("redirects and answered challenges are counted as attempts", async (t) => {
  const { registry, proxy, client } = await stage(t, {
    registry: { names: [hub, "storage.test"] },
    env: { AUTH_REGISTRIES: `${hub}:robot:secret` },
  });
  registry.redirectBlobs({ host: "storage.test", hops: 3 });
  const blob = registry.blob("library/app", uniqueBytes(500));
  await client.request(`/v2/library/app/blobs/${blob.digest}`);
  t.match(await lineOf(proxy, ({ kind }) => kind === "blob"), { attempts: 4, upstream: `127.0.0.1:${registry.port}` });
});

t.test("bytes that a client sends are counted too", async (t) => {
  const { proxy, client } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  await client.request("/v2/library/app/blobs/uploads/", { method: "POST", body: uniqueBytes(70_000) });
  t.match(await lineOf(proxy, ({ method }) => method === "POST"), { received: 70_000, kind: "upload", status: 202 });
});

t.test("a client that goes away is named as that, and who joined a transfer too", async (t) => {
  const { registry, proxy } = await stage(t);
  const blob = registry.blob("library/app", syntheticBlob("left alone", 4_000_000));
  const rest = gate();
  registry.fault({ kind: "blob" }, { stall: { after: 1_000_000, until: rest } });
  const [leaver, follower] = [proxy.client(hub), proxy.client(hub)];
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const response = await leaver.open(path);
  // Its head comes when it follows.
  const followed = await follower.open(path);
  response.destroy();
  leaver.close();
  t.match(await lineOf(proxy, ({ error }) => error === "CANCELLED"), { status: 200, level: "info", cache: "MISS" });
  rest.open();
  const hash = createHash("sha256");
  for await (const piece of followed as AsyncIterable<Buffer>) hash.update(piece);
  t.equal(`sha256:${hash.digest("hex")}`, blob.digest);
  follower.close();
  t.match(await lineOf(proxy, ({ collapsed }) => collapsed === true), { status: 200, bytes: 4_000_000 });
});

/** A CONNECT from another address of this machine than the usual one. */
async function from(address: string, proxy: RunningProxy): Promise<RawSocket> {
  const socket = connect({ port: proxy.port, host: "127.0.0.1", localAddress: address });
  await once(socket, "connect");
  socket.write(`CONNECT ${hub}:443 HTTP/1.1\r\nHost: ${hub}:443\r\n\r\n`);
  await once(socket, "data");
  socket.removeAllListeners("data");
  const secure = connectTls({ socket, ca: proxy.caPem, servername: hub });
  await once(secure, "secureConnect");
  return new RawSocket(secure);
}

t.test("the client's address is its own, inside a CONNECT too, whatever it claims", async (t) => {
  const { proxy } = await stage(t);
  const socket = await from("127.0.0.9", proxy);
  socket.write(`GET /v2/ HTTP/1.1\r\nHost: ${hub}\r\nX-Forwarded-For: 10.1.2.3\r\nForwarded: for=10.1.2.3\r\n\r\n`);
  await socket.until("\r\n\r\n");
  t.match(await lineOf(proxy, ({ kind }) => kind === "ping"), { client: "127.0.0.9", door: "connect" });
  socket.destroy();
});

t.test("a client that does not trust the CA is told apart, with what to do", async (t) => {
  const { proxy } = await stage(t);
  const stranger = new ProxyClient({ proxyPort: proxy.port, host: hub, caPem: testAuthority().caPem });
  await t.rejects(stranger.request("/v2/"));
  stranger.close();
  t.match(await lineOf(proxy, ({ error }) => error === "CLIENT_DISTRUSTS_CA"), { client: "127.0.0.1", origin: hub });
  const told = await until(() => proxy.logLines.find(({ msg }) => /\/ca\.crt|\/setup\/systemd/.test(String(msg))));
  t.match(told, { level: "warn", client: "127.0.0.1" });
  t.equal((await finalLines(proxy)).length, 1, "one line");
});

t.test("tunnels and absolute-form requests are exchanges too", async (t) => {
  const site = await startRegistry(t, { names: ["site.test"] });
  const plain = await startRegistry(t, { tls: false, names: ["plain.test"] });
  const mapped = [...site.hostMap, ...plain.hostMap].join(" ");
  const { registry, proxy } = await stage(t, { env: { HOST_MAP: mapped, REGISTRIES: "quay.io" } });
  const client = proxy.client("site.test", { caPem: testAuthority().caPem });
  t.equal((await client.request("/v2/")).status, 200, "through the tunnel");
  client.close();
  t.match(await lineOf(proxy, ({ door }) => door === "tunnel"), {
    method: "CONNECT",
    origin: "site.test",
    client: "127.0.0.1",
  });
  const raw = await openRaw(proxy.port);
  raw.write(
    "GET http://plain.test/v2/?password=x HTTP/1.1\r\nHost: plain.test\r\nAuthorization: Basic c2VjcmV0\r\n\r\n",
  );
  t.match(await raw.until("\r\n\r\n"), /^HTTP\/1\.1 200 /);
  raw.destroy();
  t.match(await lineOf(proxy, ({ door }) => door === "absolute"), {
    origin: "http://plain.test",
    path: "/v2/",
    status: 200,
  });
  t.equal(registry.count(), 0);
  t.notMatch(JSON.stringify(exchangeLines(proxy)), /password|c2VjcmV0/);
});

t.test("LOG_FORMAT=pretty writes the same for people", async (t) => {
  const registry = await startRegistry(t, { names: [hub] });
  const directory = t.testdir({ "roots.pem": testAuthority().caPem });
  const env = {
    HOST: "127.0.0.1",
    PORT: "0",
    CA_DIR: join(directory, "ca"),
    CACHE_DIR: join(directory, "cache"),
    UPSTREAM_CA_FILE: join(directory, "roots.pem"),
    HOST_MAP: registry.hostMap.join(" "),
    LOG_FORMAT: "pretty",
  };
  const { config } = loadConfig({ argv: [], env, readFile: (path) => readFileSync(path, "utf8") });
  let text = "";
  const destination = new Writable({
    write(piece: Buffer, _encoding, done) {
      text += piece.toString();
      done();
    },
  });
  t.equal(config.logFormat, "pretty");
  const log = createLog({ level: "info", format: "pretty", destination });
  const service = await compose(config, { log, version: "test" });
  const [listening] = await service.start();
  const caPem = readFileSync(join(directory, "ca", "ca.crt"), "utf8");
  const client = new ProxyClient({ proxyPort: listening?.port ?? 0, host: hub, caPem });
  t.equal((await client.request("/v2/library/app/tags/list")).status, 404);
  client.close();
  await service.stop("now", 1000);
  t.match(text, /^\[.+\] INFO: exchange\n/m);
  t.match(text, /repository: "library\/app"/);
  t.match(text, /status: 404/);
  t.throws(() => JSON.parse(text.split("\n")[0] ?? ""), "no JSON");
});
