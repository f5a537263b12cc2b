import { createHash, randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { gate } from "../../fixtures/gate.ts";
import type { RunningProxy } from "../../fixtures/proxy.ts";
import { manifestAccept, type ProxyClient } from "../../fixtures/proxy-client.ts";
import { connectThrough, RawSocket } from "../../fixtures/raw-socket.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { contentOfBytes } from "../../fixtures/synthetic-blob.ts";
import { cacheStatus, finalLines, hub, lineOf, ociError, stage, until } from "../stage.ts";

const allowed = { env: { ALLOW_PUSH: "true" } };
const uploads = "/v2/library/app/blobs/uploads/";

/** A path on the same host, as a client makes one of a Location (RFC 9110 §10.2.2). */
function pathOf(location: unknown): string {
  const url = new URL(String(location), `https://${hub}`);
  if (url.host !== hub || url.protocol !== "https:") throw new Error(`A client cannot go on at ${url.origin}.`);
  return url.pathname + url.search;
}

const withDigest = (path: string, digest: string): string => `${path}${path.includes("?") ? "&" : "?"}digest=${digest}`;

/** Begins an upload and gives the path to go on at. */
async function begin(client: ProxyClient): Promise<string> {
  const started = await client.request(uploads, { method: "POST" });
  if (started.status !== 202) throw new Error(`The upload was answered with ${started.status}.`);
  return pathOf(started.headers["location"]);
}

async function raw(proxy: RunningProxy): Promise<RawSocket> {
  return new RawSocket(await connectThrough({ proxyPort: proxy.port, host: hub, caPem: proxy.caPem }));
}

const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);

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

t.test("a layer that is refused is not waited for", async (t) => {
  const { registry, proxy } = await stage(t);
  const socket = await raw(proxy);
  socket.write(`PUT ${uploads}1?digest=x HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 1000000000\r\n\r\n`);
  socket.write(uniqueBytes(500_000));
  t.match(await socket.until("\r\n\r\n"), /^HTTP\/1\.1 405 /);
  t.equal(registry.count(), 0);
  socket.destroy();
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
  const rest = gate();
  const socket = await raw(proxy);
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: ${hub}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  socket.write(chunk(blob.read(0, 2_000_000)));
  const spools = (): string[] => readdirSync(join(proxy.directory, "cache", "tmp"));
  await until(() => spools().length === 1);
  t.equal(registry.count({ method: "PUT" }), 0, "midway");
  socket.write(Buffer.concat([chunk(blob.read(2_000_000, 1_000_000)), Buffer.from("0\r\n\r\n")]));
  t.match(await socket.until("\r\n\r\n"), /^HTTP\/1\.1 201 /);
  const [seen] = registry.requests.filter(({ method }) => method === "PUT");
  t.equal(seen?.headers["content-length"], "3000000");
  t.equal(seen?.headers["transfer-encoding"], undefined);
  t.same(registry.uploads.pushed, [{ digest: blob.digest, size: 3_000_000 }]);
  t.same(spools(), [], "the file is gone");
  socket.destroy();
  rest.open();
});

t.test("and one whose client goes away midway not at all", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { ALLOW_PUSH: "true", PROXY_REQUEST_BUFFERING: "true" } });
  const path = await begin(client);
  const spools = (): string[] => readdirSync(join(proxy.directory, "cache", "tmp"));
  const socket = await raw(proxy);
  socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 3000000\r\n\r\n`);
  socket.write(uniqueBytes(1_000_000));
  await until(() => spools().length === 1);
  socket.destroy();
  t.match(await lineOf(proxy, ({ method }) => method === "PATCH"), { error: "CANCELLED" });
  await until(() => spools().length === 0);
  t.equal(registry.count({ method: "PATCH" }), 0);
  t.equal((await finalLines(proxy)).filter(({ method }) => method === "PATCH").length, 1, "logged once");
});

t.test("a client that goes away midway takes its upload with it", async (t) => {
  const { registry, proxy, client } = await stage(t, allowed);
  const path = await begin(client);
  const socket = await raw(proxy);
  socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 3000000\r\n\r\n`);
  socket.write(uniqueBytes(1_000_000));
  const seen = await registry.seen({ method: "PATCH" });
  socket.destroy();
  t.equal(await registry.ended(seen), "cut", "the registry does not take what it has for the whole");
  t.match(await lineOf(proxy, ({ method }) => method === "PATCH"), { error: "CANCELLED" });
  t.equal((await client.request("/v2/")).status, 200);
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

t.test("a refusal in the middle of an upload is told at once, as the registry words it", async (t) => {
  const { registry, proxy, client } = await stage(t, allowed);
  for (const status of [401, 403, 413]) {
    for (const connection of [undefined, "close"]) {
      const path = await begin(client);
      const headers = { "www-authenticate": 'Bearer realm="https://auth.test/token"', connection };
      const body = '{"errors":[{"code":"DENIED","message":"not this one"}]}';
      const end = registry.fault({ method: "PATCH" }, { status, headers, body });
      const socket = await raw(proxy);
      const name = `${status}, connection ${connection ?? "kept"}`;
      socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hub}\r\nContent-Length: 900000000\r\n\r\n`);
      socket.write(uniqueBytes(600_000));
      const head = await socket.until("\r\n\r\n");
      t.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), name);
      t.match(head, /www-authenticate: Bearer realm="https:\/\/auth\.test\/token"/i);
      t.match(head, /^connection: close\r$/im, "the rest need not be sent");
      t.match(await socket.until("not this one"), /DENIED/);
      await socket.rest();
      t.pass("and the connection ends, for nobody reads the rest");
      socket.destroy();
      end();
    }
  }
  const lines = (await finalLines(proxy)).filter(({ method }) => method === "PATCH");
  t.same(
    lines.map(({ status }) => status),
    [401, 401, 403, 403, 413, 413],
    "each logged once",
  );
});

const manifestPath = "/v2/library/app/manifests/latest";
const accept = { accept: manifestAccept };

t.test("a manifest that is pushed through us replaces its tag at once", async (t) => {
  const { registry, client } = await stage(t, { env: { ALLOW_PUSH: "true", ENABLE_MANIFEST_CACHE: "true" } });
  const first = registry.image({ repository: "library/app", tag: "latest", layers: [uniqueBytes(100)] });
  const pulled = async (method: string): Promise<unknown[]> => {
    const { status, headers } = await client.request(manifestPath, { method, headers: accept });
    return [status, headers["docker-content-digest"], headers[cacheStatus]];
  };
  t.same(await pulled("GET"), [200, first.digest, "MISS"]);
  t.same(await pulled("GET"), [200, first.digest, "HIT"]);

  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: first.manifest.mediaType, layers: [] }));
  const { digest } = contentOfBytes(body);
  const headers = { "content-type": first.manifest.mediaType };
  const put = await client.request(manifestPath, { method: "PUT", headers, body });
  t.match(put, { status: 201, headers: { "docker-content-digest": digest } });
  t.same(await pulled("HEAD"), [200, digest, "MISS"]);
  t.same((await pulled("GET")).slice(0, 2), [200, digest]);
  t.same(await pulled("GET"), [200, digest, "HIT"]);

  t.equal((await client.request(manifestPath, { method: "DELETE" })).status, 202);
  t.equal((await pulled("HEAD"))[0], 404, "after its DELETE");
  t.equal((await pulled("GET"))[0], 404);
});

t.test("one that is deleted by digest is gone under its tag too", async (t) => {
  const { registry, client } = await stage(t, { env: { ALLOW_PUSH: "true", ENABLE_MANIFEST_CACHE: "true" } });
  const { digest } = registry.image({ repository: "library/app", tag: "latest", layers: [uniqueBytes(100)] });
  const byDigest = `/v2/library/app/manifests/${digest}`;
  for (const path of [manifestPath, byDigest]) await client.request(path, { headers: accept });
  t.equal((await client.request(byDigest, { method: "DELETE" })).status, 202);
  // distribution drops a manifest's tags with it.
  registry.content.repository("library/app").tags.delete("latest");
  for (const path of [manifestPath, byDigest]) {
    for (const method of ["HEAD", "GET"]) {
      t.equal((await client.request(path, { method, headers: accept })).status, 404, `${method} ${path}`);
    }
  }
});

t.test("a push that the registry refuses changes nothing", async (t) => {
  const { registry, client } = await stage(t, { env: { ALLOW_PUSH: "true", ENABLE_MANIFEST_CACHE: "true" } });
  registry.image({ repository: "library/app", tag: "latest", layers: [uniqueBytes(100)] });
  await client.request(manifestPath, { headers: accept });
  registry.fault({ method: "PUT" }, { status: 403 });
  t.equal((await client.request(manifestPath, { method: "PUT", body: Buffer.from("{}") })).status, 403);
  t.equal((await client.request(manifestPath, { headers: accept })).headers[cacheStatus], "HIT");
});

t.test("a client's own credential is passed on with its push", async (t) => {
  const own = `Basic ${Buffer.from("me:mine").toString("base64")}`;
  const registry = { authorize: ({ headers }: { headers: { authorization?: unknown } }) =>
    headers.authorization === own ? undefined : 'Basic realm="r"' };
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
