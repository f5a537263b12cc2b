import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { gate } from "../../fixtures/gate.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { contentOfBytes } from "../../fixtures/synthetic-blob.ts";
import { cacheStatus, finalLines, hub, ociError, stage, until } from "../stage.ts";
import { allowed, begin, chunk, pathOf, raw, uploads, withDigest } from "./upload.ts";

t.test("without ALLOW_PUSH nothing that writes reaches the registry", async (t) => {
  const { registry, proxy, client } = await stage(t);
  const digest = `sha256:${"a".repeat(64)}`;
  const cases: [method: string, path: string][] = [
    ["POST", uploads],
    ["PATCH", `${uploads}1234`],
    ["PUT", `${uploads}1234?digest=${digest}`],
    ["PUT", "/v2/library/app/manifests/1.2.3"],
    ["DELETE", "/v2/library/app/manifests/1.2.3"],
    ["DELETE", `/v2/library/app/blobs/${digest}`],
  ];
  for (const [method, path] of cases) {
    const refused = await client.request(path, { method, ...(method[0] === "P" && { body: uniqueBytes(1000) }) });
    t.equal(refused.status, 405, `${method} ${path}`);
    t.equal(refused.headers["allow"], "GET, HEAD");
    t.equal(ociError(refused).code, "UNSUPPORTED");
    t.match(ociError(refused).message, /ALLOW_PUSH=true/);
  }
  t.equal(registry.count(), 0);
  const lines = await finalLines(proxy);
  t.equal(lines.length, cases.length, "each is logged once");
});

t.test("blobs are pushed in all the ways that clients have", async (t) => {
  const { registry, client } = await stage(t, allowed);
  const blobs = registry.content.repository("library/app").blobs;
  const header = { "content-type": "application/octet-stream" };

  const chunked = contentOfBytes(uniqueBytes(300_000));
  const first = await client.request(await begin(client), {
    method: "PATCH",
    headers: { ...header, "content-range": "0-99999" },
    body: chunked.read(0, 100_000),
  });
  t.match(first, { status: 202, headers: { range: "0-99999" } });
  const second = await client.request(pathOf(first.headers["location"]), {
    method: "PATCH",
    headers: { ...header, "content-range": "100000-299999" },
    body: chunked.read(100_000, 200_000),
  });
  t.equal(second.status, 202);
  const put = await client.request(withDigest(pathOf(second.headers["location"]), chunked.digest), { method: "PUT" });
  t.match(put, { status: 201, headers: { "docker-content-digest": chunked.digest, [cacheStatus]: "BYPASS" } });
  t.ok(blobs.has(chunked.digest), "POST, PATCH, PATCH, PUT");
  const bodiless = registry.requests.filter(({ method }) => method === "POST" || method === "PUT");
  t.same(
    bodiless.map(({ headers }) => headers["content-length"]),
    ["0", "0"],
    "Google's registries want a length of what has none",
  );

  const single = contentOfBytes(uniqueBytes(50_000));
  const path = withDigest(await begin(client), single.digest);
  t.equal((await client.request(path, { method: "PUT", headers: header, body: single.read(0, 50_000) })).status, 201);
  t.ok(blobs.has(single.digest), "POST, PUT");

  const one = contentOfBytes(uniqueBytes(5000));
  const posted = { method: "POST", headers: header, body: one.read(0, 5000) };
  t.equal((await client.request(withDigest(uploads, one.digest), posted)).status, 201);
  t.ok(blobs.has(one.digest), "POST alone");

  const other = registry.blob("library/other", uniqueBytes(700));
  const mount = `${uploads}?mount=${other.digest}&from=library/other`;
  t.equal((await client.request(mount, { method: "POST" })).status, 201);
  t.ok(blobs.has(other.digest), "a mount");

  const begun = await begin(client);
  t.match(await client.request(begun), { status: 204, headers: { range: "0-0" } }, "the state of an upload");
  t.equal((await client.request(begun, { method: "DELETE" })).status, 204, "an upload that is given up");
  t.equal((await client.request(`${uploads}none`, { method: "PATCH" })).status, 404, "the registry's own refusal");
});

t.test("a Location that names the registry otherwise than the client does can still be followed", async (t) => {
  const { registry, client } = await stage(t, allowed);
  for (const location of [`http://${hub}${uploads}1?a=b`, `https://${hub}${uploads}1?a=b`, `${uploads}1?a=b`]) {
    const end = registry.fault({ kind: "upload" }, { headers: { location } });
    t.equal(await begin(client), `${uploads}1?a=b`, location);
    end();
  }
});

t.test("a layer of any size passes in little memory", async (t) => {
  const { registry, client } = await stage(t, { ...allowed, registry: { keepUploadsUpTo: 0 } });
  const piece = randomBytes(1024 * 1024);
  const pieces = 512;
  const hash = createHash("sha256");
  const before = process.memoryUsage.rss();
  let highest = before;
  async function* layer(): AsyncGenerator<Buffer> {
    for (let sent = 0; sent < pieces; sent += 1) {
      hash.update(piece);
      highest = Math.max(highest, process.memoryUsage.rss());
      yield piece;
    }
  }
  const patched = await client.request(await begin(client), { method: "PATCH", body: layer() });
  t.equal(patched.status, 202);
  const digest = `sha256:${hash.digest("hex")}`;
  const put = await client.request(withDigest(pathOf(patched.headers["location"]), digest), { method: "PUT" });
  t.equal(put.status, 201);
  t.same(registry.uploads.pushed, [{ digest, size: pieces * piece.length }]);
  t.ok(highest - before < 150 * 1024 * 1024, `${Math.round((highest - before) / 1024 / 1024)} MiB more`);
});

t.test("a registry that takes nothing stops the client, not the memory", async (t) => {
  const { registry, client } = await stage(t, allowed);
  const taken = gate();
  registry.fault({ method: "PATCH" }, { holdUntil: taken });
  const piece = Buffer.alloc(1024 * 1024);
  let sent = 0;
  async function* layer(): AsyncGenerator<Buffer> {
    for (; sent < 128; sent += 1) yield piece;
  }
  const path = await begin(client);
  const answer = client.request(path, { method: "PATCH", body: layer() });
  await registry.seen({ method: "PATCH" });
  // Until a hundred turns of the loop, each of which sees to all sockets, have brought nothing more.
  for (let still = 0, last = sent; still < 100; still = last === sent ? still + 1 : 0, last = sent) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(sent < 48, `stopped after ${sent} of 128 MiB`);
  taken.open();
  t.equal((await answer).status, 202);
  t.equal(sent, 128);
});

t.test("with PROXY_REQUEST_BUFFERING the registry sees an upload only when it is whole", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { ALLOW_PUSH: "true", PROXY_REQUEST_BUFFERING: "true" } });
  const blob = contentOfBytes(uniqueBytes(3_000_000));
  const path = withDigest(await begin(client), blob.digest);
  const socket = await raw(proxy);
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: ${hub}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  socket.write(chunk(blob.read(0, 2_000_000)));
  const spools = (): string[] => readdirSync(join(proxy.directory, "cache", "tmp"));
  await until(() => spools().length === 1);
  t.equal(registry.count({ method: "PUT" }), 0, "midway");
  socket.write(Buffer.concat([chunk(blob.read(2_000_000, 1_000_000)), Buffer.from("0\r\n\r\n")]));
  t.match(await socket.until("\r\n\r\n"), /^HTTP\/1\.1 201 /);
  const seen = registry.requests.find(({ method }) => method === "PUT");
  t.equal(seen?.headers["content-length"], "3000000");
  t.equal(seen?.headers["transfer-encoding"], undefined);
  t.same(registry.uploads.pushed, [{ digest: blob.digest, size: 3_000_000 }]);
  await until(() => spools().length === 0);
  socket.destroy();
});

t.test("a client that asks before it sends is told to go on, or not", async (t) => {
  const blob = contentOfBytes(uniqueBytes(1000));
  const ask = `PUT PATH HTTP/1.1\r\nHost: ${hub}\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n`;
  const { registry, proxy, client } = await stage(t, allowed);
  const socket = await raw(proxy);
  socket.write(ask.replace("PATH", withDigest(await begin(client), blob.digest)));
  t.match(await socket.until("\r\n\r\n"), /^HTTP\/1\.1 100 Continue/);
  socket.write(blob.read(0, 1000));
  t.match(await socket.until("\r\n\r\n"), /^HTTP\/1\.1 201 /);
  t.same(registry.uploads.pushed, [{ digest: blob.digest, size: 1000 }]);
  socket.destroy();

  const closed = await stage(t);
  const refused = await raw(closed.proxy);
  refused.write(ask.replace("PATH", `${uploads}1`));
  t.match(await refused.until("\r\n\r\n"), /^HTTP\/1\.1 405 /);
  refused.destroy();
});

t.test("a client's own credential is passed on with its push", async (t) => {
  const own = `Basic ${Buffer.from("me:mine").toString("base64")}`;
  const registry = {
    authorize: ({ headers }: { headers: { authorization?: unknown } }) =>
      headers.authorization === own ? undefined : 'Basic realm="r"',
  };
  const { client } = await stage(t, { ...allowed, registry });
  const refused = await client.request(uploads, { method: "POST" });
  t.match(refused, { status: 401, headers: { "www-authenticate": 'Basic realm="r"' } });
  t.equal((await client.request(uploads, { method: "POST", headers: { authorization: own } })).status, 202);
});

t.test("a push to another registry than Docker Hub goes there", async (t) => {
  const quay = await startRegistry(t, { names: ["quay.io"] });
  const { registry, proxy } = await stage(t, { ...allowed, upstreams: [quay] });
  const client = proxy.client("quay.io");
  t.equal((await client.request(uploads, { method: "POST" })).status, 202);
  t.equal(quay.count({ method: "POST" }), 1);
  t.equal(registry.count(), 0);
  client.close();
});
