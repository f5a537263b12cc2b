import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { manifestAccept, type ProxyClient } from "../../fixtures/proxy-client.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { type Content, contentOfBytes } from "../../fixtures/synthetic-blob.ts";
import { cacheStatus, stage, until } from "../stage.ts";
import { begin, pathOf, uploads, withDigest } from "./upload.ts";

const keeping = { env: { ALLOW_PUSH: "true", CACHE_ON_PUSH: "true", ENABLE_MANIFEST_CACHE: "true" } };
const header = { "content-type": "application/octet-stream" };
const accept = { accept: manifestAccept };
const blobPath = ({ digest }: Content): string => `/v2/library/app/blobs/${digest}`;

async function pulled(client: ProxyClient, path: string): Promise<[status: number, cache: unknown, body: Buffer]> {
  const { status, headers, body } = await client.request(path, { headers: accept });
  return [status, headers[cacheStatus], body];
}

/** Pushes in pieces, each in a PATCH of its own, and gives the status of the PUT. */
async function pushInPieces(client: ProxyClient, blob: Content, digest: string, ...pieces: Buffer[]): Promise<number> {
  let path = await begin(client);
  for (const piece of pieces) {
    const patched = await client.request(path, { method: "PATCH", headers: header, body: piece });
    path = pathOf(patched.headers["location"]);
  }
  return (await client.request(withDigest(path, digest), { method: "PUT" })).status;
}

t.test("a blob that was pushed through is a hit, in whichever way it came", async (t) => {
  const { registry, client, proxy } = await stage(t, keeping);
  const ways: Record<string, (blob: Content) => Promise<number>> = {
    "POST, PUT": async (blob) => {
      const path = withDigest(await begin(client), blob.digest);
      return (await client.request(path, { method: "PUT", headers: header, body: blob.read(0, blob.size) })).status;
    },
    POST: async (blob) => {
      const posted = { method: "POST", headers: header, body: blob.read(0, blob.size) };
      return (await client.request(withDigest(uploads, blob.digest), posted)).status;
    },
    "POST, PATCH, PATCH, PUT": (blob) =>
      pushInPieces(client, blob, blob.digest, blob.read(0, 100_000), blob.read(100_000, blob.size - 100_000)),
  };
  for (const [name, push] of Object.entries(ways)) {
    const blob = contentOfBytes(uniqueBytes(300_000));
    t.equal(await push(blob), 201, name);
    const [status, cache, body] = await pulled(client, blobPath(blob));
    t.same([status, cache], [200, "HIT"], name);
    t.ok(body.equals(blob.read(0, blob.size)), name);
  }
  t.equal(registry.count({ method: "GET", kind: "blob" }), 0, "nothing was downloaded");
  t.same(readdirSync(join(proxy.directory, "cache", "tmp")), [], "no spool is left");
});

t.test("nothing is kept of what was not whole, right and accepted", async (t) => {
  const { registry, client, proxy } = await stage(t, keeping);
  const misses = async (blob: Content, why: string): Promise<void> => {
    registry.blob("library/app", blob);
    t.same((await pulled(client, blobPath(blob))).slice(0, 2), [200, "MISS"], why);
  };
  const wrong = contentOfBytes(uniqueBytes(1000));
  t.equal(await pushInPieces(client, wrong, wrong.digest, uniqueBytes(1000)), 400);
  await misses(wrong, "another digest");

  // A registry that does not look is not believed.
  const lied = contentOfBytes(uniqueBytes(1000));
  const end = registry.fault({ method: "PUT" }, { status: 201 });
  t.equal(await pushInPieces(client, lied, lied.digest, uniqueBytes(1000)), 201);
  end();
  await misses(lied, "a wrong digest that the registry let pass");

  const refused = contentOfBytes(uniqueBytes(1000));
  const stop = registry.fault({ method: "PUT" }, { status: 403 });
  t.equal(await pushInPieces(client, refused, refused.digest, refused.read(0, 1000)), 403);
  stop();
  await misses(refused, "a refusal");

  const partly = contentOfBytes(uniqueBytes(1000));
  const last = await begin(client);
  const patched = await client.request(last, { method: "PATCH", headers: header, body: partly.read(0, 500) });
  const on = withDigest(pathOf(patched.headers["location"]), partly.digest);
  const fail = registry.fault({ method: "PATCH" }, { status: 500 });
  await client.request(pathOf(patched.headers["location"]), { method: "PATCH", body: uniqueBytes(10) });
  fail();
  t.equal((await client.request(on, { method: "PUT", body: partly.read(500, 500) })).status, 201);
  await misses(partly, "an upload with a failure in it");
  await until(() => readdirSync(join(proxy.directory, "cache", "tmp")).length === 0);
});

t.test("an upload that is given up leaves no spool", async (t) => {
  const { client, proxy } = await stage(t, keeping);
  const patched = await client.request(await begin(client), { method: "PATCH", body: uniqueBytes(1000) });
  const spools = (): string[] => readdirSync(join(proxy.directory, "cache", "tmp"));
  t.equal(spools().length, 1);
  t.equal((await client.request(pathOf(patched.headers["location"]), { method: "DELETE" })).status, 204);
  await until(() => spools().length === 0);
});

t.test("a disk that fails does not fail a push", async (t) => {
  const { registry, client, proxy } = await stage(t, keeping);
  const tmp = join(proxy.directory, "cache", "tmp");
  rmSync(tmp, { recursive: true });
  writeFileSync(tmp, "in the way");
  const blob = contentOfBytes(uniqueBytes(300_000));
  t.equal(await pushInPieces(client, blob, blob.digest, blob.read(0, blob.size)), 201);
  t.ok(registry.content.repository("library/app").blobs.has(blob.digest));
});

t.test("without CACHE_ON_PUSH a push is not kept", async (t) => {
  const { client } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  const blob = contentOfBytes(uniqueBytes(1000));
  t.equal(await pushInPieces(client, blob, blob.digest, blob.read(0, 1000)), 201);
  t.same((await pulled(client, blobPath(blob))).slice(0, 2), [200, "MISS"]);
});

t.test("a manifest that was pushed is what its tag is at once, for all who accept it", async (t) => {
  const { registry, client } = await stage(t, keeping);
  const path = "/v2/library/app/manifests/latest";
  const old = registry.image({ repository: "library/app", tag: "latest", layers: [uniqueBytes(100)] });
  t.same((await pulled(client, path)).slice(0, 2), [200, "MISS"]);
  const { mediaType } = old.manifest;
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, layers: [] }));
  const put = await client.request(path, { method: "PUT", headers: { "content-type": mediaType }, body });
  t.equal(put.status, 201);
  const gets = registry.count({ method: "GET" });
  for (const header of [manifestAccept, mediaType, "*/*"]) {
    const found = await client.request(path, { headers: { accept: header } });
    t.match(found, { status: 200, headers: { [cacheStatus]: "HIT", "content-type": mediaType } }, header);
    t.ok(found.body.equals(body));
  }
  const byDigest = `/v2/library/app/manifests/${contentOfBytes(body).digest}`;
  t.same((await pulled(client, byDigest)).slice(0, 2), [200, "HIT"]);
  t.equal(registry.count({ method: "GET" }), gets);
  const other = await client.request(path, { headers: { accept: "application/json" } });
  t.equal(other.headers[cacheStatus], "MISS", "not for one who accepts something else");

  const refuse = registry.fault({ method: "PUT" }, { status: 403 });
  t.equal(
    (await client.request(path, { method: "PUT", headers: { "content-type": mediaType }, body: Buffer.from("{}") }))
      .status,
    403,
  );
  refuse();
  t.ok((await pulled(client, path))[2].equals(body), "a refused one changes nothing");
  t.equal((await client.request(path, { method: "DELETE" })).status, 202);
  t.equal((await pulled(client, path))[0], 404);
});

t.test("who may not read a repository is not served what was pushed to it", async (t) => {
  const mine = `Basic ${Buffer.from("me:mine").toString("base64")}`;
  const registry = {
    authorize: ({ headers }: { headers: { authorization?: unknown } }) =>
      headers.authorization === mine ? undefined : 'Basic realm="r"',
  };
  const { client } = await stage(t, { ...keeping, registry });
  const blob = contentOfBytes(uniqueBytes(1000));
  const posted = { method: "POST", headers: { authorization: mine }, body: blob.read(0, 1000) };
  t.equal((await client.request(withDigest(uploads, blob.digest), posted)).status, 201);
  t.equal((await client.request(blobPath(blob))).status, 401);
  const own = await client.request(blobPath(blob), { headers: { authorization: mine } });
  t.match(own, { status: 200, headers: { [cacheStatus]: "HIT" } });
});
