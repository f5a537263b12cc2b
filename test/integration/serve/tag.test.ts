import t, { type Test } from "tap";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { manifestAccept, type ProxyClient } from "../../fixtures/proxy-client.ts";
import { type FixtureRegistry, startRegistry, uniqueBytes } from "../../fixtures/registry.ts";

const host = "registry-1.docker.io";
const accept = { accept: manifestAccept };

class MovableClock {
  /** Behind, so that the certificates made at its time hold at the client's, however far a test moves it. */
  time = Date.now() - 65 * 86_400_000;
  now(): number {
    return this.time;
  }
}

interface Stage {
  readonly registry: FixtureRegistry;
  readonly proxy: RunningProxy;
  readonly client: ProxyClient;
  readonly clock: MovableClock;
}

async function stage(t: Test, env: Record<string, string> = {}): Promise<Stage> {
  const registry = await startRegistry(t, { names: [host] });
  const clock = new MovableClock();
  const proxy = await startProxy(t, { upstreams: [registry], env, clock });
  const client = proxy.client(host);
  t.teardown(() => client.close());
  return { registry, proxy, client, clock };
}

const image = (registry: FixtureRegistry, tag: string, options: { index?: boolean; docker?: boolean } = {}) =>
  registry.image({ repository: "library/app", tag, layers: [uniqueBytes(1000)], ...options });

const manifest = (tag: string): string => `/v2/library/app/manifests/${tag}`;
const facts = async (
  client: ProxyClient,
  tag: string,
  options: { method?: string; headers?: Record<string, string> } = {},
) => {
  const { status, headers } = await client.request(manifest(tag), { headers: accept, ...options });
  return {
    status,
    digest: headers["docker-content-digest"],
    cache: headers["x-docker-registry-proxy-cache-upstream-status"],
    type: headers["x-docker-registry-proxy-cache-type"],
  };
};

t.test("without the manifest cache a tag is confirmed by HEAD at every pull", async (t) => {
  const { registry, client } = await stage(t);
  const first = image(registry, "1.2.3");
  const type = "manifest-default-disabled";
  t.same(await facts(client, "1.2.3"), { status: 200, digest: first.digest, cache: "MISS", type });
  t.same(await facts(client, "1.2.3"), { status: 200, digest: first.digest, cache: "REVALIDATED", type });
  t.equal(registry.count({ kind: "manifest", method: "GET" }), 1);
  t.equal(registry.count({ kind: "manifest", method: "HEAD" }), 1);
  const second = image(registry, "1.2.3");
  t.same(await facts(client, "1.2.3"), { status: 200, digest: second.digest, cache: "EXPIRED", type });
  t.not(first.digest, second.digest);
});

t.test("with it, each tier has its time", async (t) => {
  const { registry, client, clock } = await stage(t, { ENABLE_MANIFEST_CACHE: "true", PUBLIC_TTL: "100d" });
  const cases: [tag: string, type: string, ttl: number][] = [
    ["stable", "manifest-primary", 600_000],
    ["1.2.3", "manifest-secondary", 60 * 86_400_000],
    ["latest", "manifest-default", 3_600_000],
  ];
  for (const [tag, type, ttl] of cases) {
    const { digest } = image(registry, tag);
    t.same(await facts(client, tag), { status: 200, digest, cache: "MISS", type }, tag);
    clock.time += ttl - 1;
    registry.forget();
    t.same(await facts(client, tag), { status: 200, digest, cache: "HIT", type });
    t.same(await facts(client, tag, { method: "HEAD" }), { status: 200, digest, cache: "HIT", type });
    t.equal(registry.count(), 0, "fresh: the upstream is not asked");
    clock.time += 2;
    t.same(await facts(client, tag), { status: 200, digest, cache: "REVALIDATED", type });
    t.equal(registry.count({ method: "HEAD" }), 1);
    t.equal(registry.count({ method: "GET" }), 0);
  }
});

t.test("a tag has a body for each Accept", async (t) => {
  const { registry, client } = await stage(t, { ENABLE_MANIFEST_CACHE: "true" });
  const { digest, manifest: platform, index } = image(registry, "latest", { index: true });
  t.equal(index?.digest, digest);
  t.equal((await facts(client, "latest")).digest, digest, "the index");
  const narrow = { headers: { accept: platform.mediaType } };
  const single = await facts(client, "latest", narrow);
  t.equal(single.status, 200);
  t.equal((await facts(client, "latest", narrow)).cache, "HIT");
  t.equal((await facts(client, "latest")).digest, digest, "and still the index for who accepts it");
});

t.test("manifests come byte for byte and by digest from the cache", async (t) => {
  const { registry, client } = await stage(t);
  const { digest, manifest: stored } = image(registry, "1", { docker: true });
  const byTag = await client.request(manifest("1"), { headers: accept });
  t.ok(byTag.body.equals(stored.bytes));
  t.equal(byTag.headers["content-type"], stored.mediaType);
  registry.forget();
  const byDigest = await client.request(manifest(digest), { headers: accept });
  t.ok(byDigest.body.equals(stored.bytes));
  t.match(byDigest.headers, {
    "content-type": stored.mediaType,
    "x-docker-registry-proxy-cache-upstream-status": "HIT",
    "x-docker-registry-proxy-cache-type": "manifest-by-digest",
  });
  t.equal(registry.count(), 0);
});

t.test("the same tag of two registries is two things", async (t) => {
  const [hub, quay] = [await startRegistry(t, { names: [host] }), await startRegistry(t, { names: ["quay.io"] })];
  const proxy = await startProxy(t, { upstreams: [hub, quay], env: { ENABLE_MANIFEST_CACHE: "true" } });
  const [one, two] = [image(hub, "latest"), image(quay, "latest")];
  const [atHub, atQuay] = [proxy.client(host), proxy.client("quay.io")];
  for (const round of ["cold", "warm"]) {
    t.equal((await facts(atHub, "latest")).digest, one.digest, round);
    t.equal((await facts(atQuay, "latest")).digest, two.digest, round);
  }
  atHub.close();
  atQuay.close();
});

t.test("a registry without HEAD or without the digest in it is asked by conditional GET", async (t) => {
  for (const fault of [{ status: 405 }, { headers: { "docker-content-digest": undefined } }]) {
    const { registry, client } = await stage(t);
    registry.fault({ kind: "manifest", method: "HEAD" }, fault);
    const { digest } = image(registry, "1");
    t.match(await facts(client, "1"), { status: 200, digest, cache: "MISS" });
    t.match(await facts(client, "1"), { status: 200, digest, cache: "REVALIDATED" });
    const [, second] = registry.requests.filter(({ method }) => method === "GET");
    t.equal(second?.headers["if-none-match"], `"${digest}"`);
    t.equal(second?.status, 304);
  }
});

t.test("a client's HEAD is never made a GET", async (t) => {
  const { registry, client } = await stage(t);
  registry.fault({ kind: "manifest", method: "HEAD" }, { headers: { "docker-content-digest": undefined } });
  image(registry, "1");
  t.match(await facts(client, "1", { method: "HEAD" }), { status: 200 });
  t.equal(registry.count({ method: "GET" }), 0);
});

t.test("a cached tag is served while its registry cannot answer", async (t) => {
  const { registry, client } = await stage(t);
  const { digest } = image(registry, "1");
  await facts(client, "1");
  for (const fault of [{ status: 429 }, { status: 503 }, { closeMidHeader: true }]) {
    const end = registry.fault({ kind: "manifest" }, fault);
    t.match(await facts(client, "1"), { status: 200, digest, cache: "STALE" }, JSON.stringify(fault));
    end();
  }
  t.match(await facts(client, "1"), { cache: "REVALIDATED" });
});

t.test("a tag that is gone, or is not the requester's, is said to be so by its registry", async (t) => {
  const { registry, client, clock } = await stage(t);
  image(registry, "1");
  await facts(client, "1");
  for (const status of [401, 403, 404]) {
    const end = registry.fault({ kind: "manifest" }, { status });
    t.equal((await facts(client, "1")).status, status);
    registry.forget();
    t.equal((await facts(client, "1")).status, status, "and is so for some seconds");
    t.equal(registry.count(), 0);
    end();
    clock.time += 5001;
    t.equal((await facts(client, "1")).status, 200, "never longer");
  }
});

t.test("a manifest that is not of the digest it is named by is neither served nor stored", async (t) => {
  const { registry, client } = await stage(t);
  const { digest } = image(registry, "1");
  const end = registry.fault({ kind: "manifest", method: "GET" }, { corruptAt: 5 });
  const byTag = await client.request(manifest("1"), { headers: accept });
  t.equal(byTag.status, 502);
  t.match(byTag.body.toString(), /UPSTREAM_WRONG_DIGEST/);
  const byDigest = await client.request(manifest(digest), { headers: accept });
  t.equal(byDigest.status, 502);
  end();
  t.match(await facts(client, digest), { status: 200, digest });
});

t.test("many pulls of one uncached tag cost one request", async (t) => {
  const { registry, proxy } = await stage(t);
  const { digest } = image(registry, "1");
  const clients = Array.from({ length: 8 }, () => proxy.client(host));
  const all = await Promise.all(clients.map((client) => facts(client, "1")));
  t.ok(all.every((one) => one.digest === digest));
  t.ok(registry.count({ kind: "manifest", method: "GET" }) <= 2, "shared while it was under way");
  for (const client of clients) client.close();
});
