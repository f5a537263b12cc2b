import t from "tap";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { contentOfBytes } from "../../fixtures/synthetic-blob.ts";
import { cacheStatus, stage } from "../stage.ts";

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
