import t from "tap";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { syntheticBlob } from "../../fixtures/synthetic-blob.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, clientOf, finalLines, hub, ociError, stage } from "../stage.ts";

const statuses = [301, 302, 303, 307, 308] as const;
const path = (digest: string): string => `/v2/library/app/blobs/${digest}`;
const storage = { registry: { names: [hub, "storage.test"] } };

t.test("every kind of redirect is followed, and the result is cached under the first request", async (t) => {
  const { registry, client } = await stage(t, storage);
  for (const status of statuses) {
    for (const how of [{ host: "storage.test" }, { relative: true }, { host: "storage.test", hops: 4 }]) {
      const name = `${status} ${JSON.stringify(how)}`;
      const end = registry.redirectBlobs({ status, ...how });
      const blob = registry.blob("library/app", uniqueBytes(2000));
      t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "MISS" }, name);
      registry.forget();
      t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "HIT" }, name);
      t.equal(registry.count(), 0, name);
      end();
    }
  }
});

t.test("a HEAD is redirected as a HEAD", async (t) => {
  const { registry, client } = await stage(t, storage);
  const blob = registry.blob("library/app", uniqueBytes(2000));
  for (const status of statuses) {
    registry.forget();
    const end = registry.redirectBlobs({ status, host: "storage.test" }, { method: "HEAD" });
    const head = await client.request(path(blob.digest), { method: "HEAD" });
    t.match(head, { status: 200, headers: { "content-length": "2000" } }, String(status));
    t.same(
      registry.requests.map(({ method, kind }) => `${method} ${kind}`),
      ["HEAD blob", "HEAD signed"],
    );
    end();
  }
});

t.test("storage that takes no Authorization gets none", async (t) => {
  const { registry, client } = await stage(t, storage);
  registry.redirectBlobs({ host: "storage.test", hops: 2 });
  const blob = registry.blob("library/app", uniqueBytes(2000));
  const headers = { authorization: "Bearer something" };
  t.match(await client.hash(path(blob.digest), { headers }), { status: 200, digest: blob.digest });
  t.same(
    registry.requests.map(({ kind, headers: sent }) => [kind, sent["authorization"]]),
    [
      ["blob", "Bearer something"],
      ["signed", undefined],
      ["signed", undefined],
    ],
  );
});

t.test("a tag that lives at another registry, which asks for a token, is pulled with an anonymous one", async (t) => {
  const tokens = await startTokenServer(t, { names: ["auth.pkg.test"], realmPort: 443, anonymous: ["*"] });
  const other = await startRegistry(t, { names: ["europe.pkg.test"], authorize: tokens.authorize });
  const { registry, client } = await stage(t, {
    registry: { names: ["registry.k8s.io", hub] },
    upstreams: [other, tokens],
    env: { AUTH_REGISTRIES: `${hub}:robot:secret` },
  });
  const image = other.image({ repository: "k8s/images/pause", tag: "3.9", layers: [uniqueBytes(500)] });
  const elsewhere = ({ path: asked }: { path: string }): string =>
    `https://europe.pkg.test${asked.replace("/v2/", "/v2/k8s/images/")}`;
  registry.fault({}, { redirect: { status: 307, location: elsewhere } });
  const headers = { accept: manifestAccept };
  const byTag = await client.request("/v2/pause/manifests/3.9", { headers });
  t.match(byTag, { status: 200, headers: { "docker-content-digest": image.digest, [cacheStatus]: "MISS" } });
  const again = await client.request("/v2/pause/manifests/3.9", { headers });
  t.match(again, { status: 200, headers: { "docker-content-digest": image.digest, [cacheStatus]: "REVALIDATED" } });
  const [layer] = image.layers;
  t.match(await client.hash(`/v2/pause/blobs/${layer?.digest}`), { status: 200, digest: layer?.digest });
  t.ok(tokens.requests.length >= 1);
  for (const { user, headers: sent } of tokens.requests) t.same([user, sent.authorization], [undefined, undefined]);
  for (const { headers: sent } of other.requests) t.notMatch(sent["authorization"] ?? "", /^Basic/);
});

t.test("a cut transfer is gone on with at a URL that was signed anew", async (t) => {
  const { registry, client } = await stage(t, storage);
  registry.redirectBlobs({ host: "storage.test", uses: 1 });
  const blob = registry.blob("library/app", syntheticBlob("signed anew", 3_000_000));
  registry.fault({ kind: "signed" }, { cut: { after: 1_000_000 } }, 1);
  t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "MISS" });
  t.equal(registry.count({ kind: "blob" }), 2);
  const [first, second] = registry.requests.filter(({ kind }) => kind === "signed");
  t.not(first?.query.get("X-Signature"), second?.query.get("X-Signature"));
});

t.test("a redirect that never ends, or ends nowhere, is said to be one", async (t) => {
  const { registry, proxy, client } = await stage(t, storage);
  const blob = registry.blob("library/app", uniqueBytes(2000));
  const itself = `https://${hub}${path(blob.digest)}`;
  const cases: [name: string, start: () => () => void, sentence: RegExp][] = [
    ["endless", () => registry.redirectBlobs({ endless: true }), /More than 10 redirects/],
    ["to itself", () => registry.fault({ kind: "blob" }, { redirect: { location: itself } }), /in a circle/],
    [
      "to http",
      () => registry.fault({ kind: "blob" }, { redirect: { location: "http://storage.test/" } }),
      /plain http/,
    ],
    ["to no URL", () => registry.fault({ kind: "blob" }, { redirect: { location: "https://:x/" } }), /no HTTP address/],
  ];
  for (const [name, start, sentence] of cases) {
    registry.forget();
    const end = start();
    const refused = await client.request(path(blob.digest));
    t.equal(refused.status, 502, name);
    t.equal(ociError(refused).code, "UPSTREAM_REDIRECTS");
    t.match(ociError(refused).message, sentence);
    t.ok(registry.count() <= 11, "and not followed for ever");
    end();
  }
  t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "MISS" });
  t.same(
    (await finalLines(proxy)).map(({ status, error }) => [status, error]),
    [...cases.map(() => [502, "UPSTREAM_REDIRECTS"]), [200, undefined]],
  );
});

t.test("what signs a URL is shown nowhere", async (t) => {
  const { registry, proxy, client } = await stage(t, { ...storage, env: { LOG_LEVEL: "trace" } });
  const own = clientOf(t, proxy, "docker.caching.proxy.internal");
  const end = registry.redirectBlobs({ host: "storage.test" });
  const good = registry.blob("library/app", uniqueBytes(2000));
  await client.hash(path(good.digest));
  for (const fault of [{ closeMidHeader: true }, { status: 403 }, { corruptAt: 5 }]) {
    const stop = registry.fault({ kind: "signed" }, fault);
    const blob = registry.blob("library/app", uniqueBytes(200_000));
    await client.request(path(blob.digest)).catch(() => undefined);
    stop();
  }
  end();
  registry.redirectBlobs({ host: "storage.test", endless: true });
  const endless = await client.request(path(registry.blob("library/app", uniqueBytes(10)).digest));
  const signatures = registry.requests.flatMap(({ query }) => query.get("X-Signature") ?? []);
  t.ok(new Set(signatures).size >= 5);
  const pages = await Promise.all(["/metrics", "/dashboard.json"].map(async (page) => (await own.request(page)).body));
  await proxy.stop();
  const all = JSON.stringify(proxy.logLines) + pages.join("") + endless.body.toString();
  for (const signature of signatures) t.notOk(all.includes(signature));
  t.notMatch(all, "X-Signature");
});
