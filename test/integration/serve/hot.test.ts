import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { contentPath } from "../../../src/cache/layout.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { startProxy } from "../../fixtures/proxy.ts";
import { manifestAccept, type ProxyClient, type Received } from "../../fixtures/proxy-client.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { cacheStatus, clientOf, exchangeLines, finalLines, MovableClock, stage, until } from "../stage.ts";

/** A field that the fast lane does not take, and that changes no answer. */
const slow = { accept: manifestAccept, te: "trailers" };
const fast = { accept: manifestAccept };

function facts({ status, headers, body }: Received): unknown {
  const { date: _, ...fields } = headers;
  return { status, fields, body: body.toString("latin1") };
}

t.test("what is served from memory is what the handler serves, in the answer and in the log", async (t) => {
  const env = { ENABLE_MANIFEST_CACHE: "true", MANIFEST_CACHE_DEFAULT_TIME: "1h" };
  const { registry, proxy, client } = await stage(t, { env });
  // A connection of its own: what the lane does not take ends it there.
  const handled = clientOf(t, proxy);
  const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(4000)] });
  const [layer] = image.layers;
  const paths = [
    `/v2/library/app/manifests/${image.digest}`,
    "/v2/library/app/manifests/1",
    `/v2/library/app/blobs/${layer?.digest}`,
  ];
  let asked = 0;
  // Each line is there before the next request: two connections may be at two processes, whose lines come as they come.
  const ask = async (by: ProxyClient, path: string, headers: Record<string, string>, method = "GET") => {
    const answer = await by.request(path, { method, headers });
    asked += 1;
    await until(() => exchangeLines(proxy).length === asked);
    return answer;
  };
  for (const path of paths) {
    await ask(handled, path, slow);
    await ask(handled, path, slow);
    registry.forget();
    for (const method of ["GET", "HEAD"]) {
      const slowly = await ask(handled, path, slow, method);
      const hot = await ask(client, path, fast, method);
      t.equal(hot.headers[cacheStatus], "HIT");
      t.strictSame(facts(hot), facts(slowly), `${method} ${path}`);
    }
    t.equal(registry.count({}), 0);
  }
  const lines = await finalLines(proxy);
  const shown = lines.map(({ time: _t, firstByte: _f, lastByte: _l, worker: _w, ...line }) => JSON.stringify(line));
  for (let index = 0; index < shown.length; index += 6) {
    t.equal(shown[index + 3], shown[index + 2], "GET");
    t.equal(shown[index + 5], shown[index + 4], "HEAD");
  }
  t.equal(lines.length, 18);
});

t.test(
  "a first hit after a restart is the same answer, from the disk, and changed content is not served",
  async (t) => {
    const { registry, proxy, client } = await stage(t);
    const changed = uniqueBytes(4001);
    const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(4000), changed] });
    const paths = [`manifests/${image.digest}`, ...image.layers.map(({ digest }) => `blobs/${digest}`)].map(
      (path) => `/v2/library/app/${path}`,
    );
    for (const path of paths) await client.request(path, { headers: fast });
    await proxy.stop();
    registry.forget();
    await writeFile(contentPath(join(proxy.directory, "cache"), digestOf(changed)), uniqueBytes(4001));
    const again = await startProxy(t, { upstreams: [registry], directory: proxy.directory });
    const [quick, handled] = [clientOf(t, again), clientOf(t, again)];
    for (const path of paths.slice(0, 2)) {
      const first = await quick.request(path, { headers: fast });
      t.equal(first.headers[cacheStatus], "HIT");
      t.strictSame(facts(await handled.request(path, { headers: slow })), facts(first), path);
    }
    t.equal(registry.count({}), 0);
    const renewed = await quick.request(paths[2] ?? "", { headers: fast });
    t.equal(renewed.headers[cacheStatus], "MISS", "what is not what its digest says");
    t.ok(renewed.body.equals(changed));
  },
);

t.test("ranges and validators are the handler's, and still right", async (t) => {
  const { registry, client } = await stage(t);
  const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(4000)] });
  const path = `/v2/library/app/manifests/${image.digest}`;
  await client.request(path, { headers: fast });
  await client.request(path, { headers: fast });
  t.equal((await client.request(path, { headers: { range: "bytes=0-9" } })).status, 206);
  t.equal((await client.request(path, { headers: { "if-none-match": `"${image.digest}"` } })).status, 304);
});

t.test("a tag is asked for again once it is stale, by each Accept for itself, and when it was pushed", async (t) => {
  const clock = new MovableClock();
  const env = { ENABLE_MANIFEST_CACHE: "true", MANIFEST_CACHE_DEFAULT_TIME: "1h", ALLOW_PUSH: "true" };
  const { registry, client } = await stage(t, { env, clock });
  registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(40)] });
  const path = "/v2/library/app/manifests/1";
  const ask = async (accept = manifestAccept): Promise<unknown> =>
    (await client.request(path, { headers: { accept } })).headers[cacheStatus];
  t.equal(await ask(), "MISS");
  t.equal(await ask(), "HIT");
  t.equal(await ask("application/vnd.oci.image.manifest.v1+json"), "REVALIDATED", "another Accept");
  t.equal(await ask("application/vnd.oci.image.manifest.v1+json"), "HIT");
  t.equal(await ask(), "HIT");
  clock.time += 3_600_001;
  t.equal(await ask(), "REVALIDATED");
  t.equal(await ask(), "HIT");
  const other = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(40)] });
  const type = "application/vnd.oci.image.manifest.v1+json";
  const pushed = await client.request(path, {
    method: "PUT",
    headers: { "content-type": type },
    body: other.manifest.bytes,
  });
  t.equal(pushed.status, 201);
  const after = await client.request(path, { headers: fast });
  t.equal(after.headers["docker-content-digest"], other.digest);
  t.not(after.headers[cacheStatus], "HIT");
});

t.test("content that was deleted is not served from memory", async (t) => {
  const { registry, client } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(40)] });
  const path = `/v2/library/app/manifests/${image.digest}`;
  await client.request(path, { headers: fast });
  t.equal((await client.request(path, { headers: fast })).headers[cacheStatus], "HIT");
  t.equal((await client.request(path, { method: "DELETE" })).status, 202);
  t.equal((await client.request(path, { headers: fast })).status, 404);
});

t.test("while an inspector looks, it sees everything", async (t) => {
  const { registry, client, proxy } = await stage(t, { env: { DEBUG: "true", DEBUG_PORT: "0" } });
  const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(40)] });
  const path = `/v2/library/app/manifests/${image.digest}`;
  await client.request(path, { headers: fast });
  t.equal((await client.request(path, { headers: fast })).headers[cacheStatus], "HIT");
  t.equal((await finalLines(proxy)).length, 2);
});
