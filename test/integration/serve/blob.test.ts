import { createHash } from "node:crypto";
import t, { type Test } from "tap";
import { gate } from "../../fixtures/gate.ts";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { type FixtureRegistry, startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { contentOfBytes, syntheticBlob } from "../../fixtures/synthetic-blob.ts";

const host = "registry-1.docker.io";

interface Stage {
  readonly registry: FixtureRegistry;
  readonly proxy: RunningProxy;
  readonly client: ProxyClient;
}

async function stage(t: Test, env: Record<string, string> = {}): Promise<Stage> {
  const registry = await startRegistry(t, { names: [host] });
  const proxy = await startProxy(t, { upstreams: [registry], env });
  const client = proxy.client(host);
  t.teardown(() => client.close());
  return { registry, proxy, client };
}

const path = (digest: string, repository = "library/app"): string => `/v2/${repository}/blobs/${digest}`;

t.test(
  "a blob is fetched once, then served from the cache, also to another repository and after a restart",
  async (t) => {
    const { registry, proxy, client } = await stage(t);
    const blob = registry.blob("library/app", syntheticBlob("once", 3_000_000));
    t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "MISS" });
    t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "HIT" });
    t.equal((await client.hash(path(blob.digest, "library/none"))).status, 404, "a repository that does not have it");
    registry.blob("library/other", syntheticBlob("once", 3_000_000));
    t.match(await client.hash(path(blob.digest, "library/other")), { status: 200, digest: blob.digest, cache: "HIT" });
    t.equal(registry.count({ kind: "blob", method: "GET" }), 1);
    await proxy.stop();
    const again = await startProxy(t, { upstreams: [registry], directory: proxy.directory });
    const later = again.client(host);
    t.match(await later.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "HIT" });
    t.equal(registry.count({ kind: "blob", method: "GET" }), 1);
    t.equal(again.caPem, proxy.caPem, "the same CA");
    later.close();
  },
);

t.test("the headers of cached content", async (t) => {
  const { registry, client } = await stage(t);
  const blob = registry.blob("library/app", uniqueBytes(5000));
  await client.request(path(blob.digest));
  const { headers } = await client.request(path(blob.digest));
  t.match(headers, {
    "docker-content-digest": blob.digest,
    "content-length": "5000",
    "content-type": "application/octet-stream",
    etag: `"${blob.digest}"`,
    "accept-ranges": "bytes",
    "x-docker-registry-proxy-cache-upstream-status": "HIT",
    "x-docker-registry-proxy-cache-type": "blob-by-digest",
    "cache-status": "entrepot; hit",
  });
  const head = await client.request(path(blob.digest), { method: "HEAD" });
  t.equal(head.status, 200);
  t.match(head.headers, { "docker-content-digest": blob.digest, "content-length": "5000" });
  t.equal(registry.count({ kind: "blob", method: "HEAD" }), 0, "a HEAD is answered from the cache");
  const same = await client.request(path(blob.digest), { headers: { "if-none-match": `"${blob.digest}"` } });
  t.equal(same.status, 304);
});

t.test("ranges of cached content", async (t) => {
  const { registry, client } = await stage(t);
  const bytes = uniqueBytes(300_000);
  const blob = registry.blob("library/app", bytes);
  await client.request(path(blob.digest));
  const cases: [range: string, status: number, first: number, last: number][] = [
    ["bytes=0-0", 206, 0, 0],
    ["bytes=100-299999", 206, 100, 299_999],
    ["bytes=299990-", 206, 299_990, 299_999],
    ["bytes=-7", 206, 299_993, 299_999],
    ["bytes=5-4", 200, 0, 299_999],
    ["nonsense", 200, 0, 299_999],
    ["bytes=0-1,5-6", 200, 0, 299_999],
  ];
  for (const [range, status, first, last] of cases) {
    const answer = await client.request(path(blob.digest), { headers: { range } });
    t.equal(answer.status, status, range);
    t.ok(answer.body.equals(bytes.subarray(first, last + 1)), `${range}: the right bytes`);
    if (status === 206) t.equal(answer.headers["content-range"], `bytes ${first}-${last}/300000`);
  }
  const beyond = await client.request(path(blob.digest), { headers: { range: "bytes=300000-" } });
  t.equal(beyond.status, 416);
  t.equal(beyond.headers["content-range"], "bytes */300000");
  const stale = await client.request(path(blob.digest), { headers: { range: "bytes=0-9", "if-range": '"other"' } });
  t.equal(stale.status, 200);
});

t.test("a HEAD of what is not cached stays a HEAD", async (t) => {
  const { registry, client } = await stage(t);
  const blob = registry.blob("library/app", uniqueBytes(1234));
  const head = await client.request(path(blob.digest), { method: "HEAD" });
  t.equal(head.status, 200);
  t.equal(head.headers["content-length"], "1234");
  t.equal(registry.count({ method: "GET" }), 0);
  t.equal(registry.count({ method: "HEAD", kind: "blob" }), 1);
});

t.test("twelve clients of one uncached blob cost one transfer, and stream while it fills", async (t) => {
  const { registry, proxy } = await stage(t);
  const blob = registry.blob("library/app", syntheticBlob("herd", 4_000_000));
  const half = gate();
  registry.fault({ kind: "blob" }, { stall: { after: 2_000_000, until: half } });
  const clients = Array.from({ length: 12 }, () => proxy.client(host));
  const responses = await Promise.all(clients.map((client) => client.open(path(blob.digest))));
  half.open();
  const sizes = await Promise.all(
    responses.map(async (response) => {
      let size = 0;
      for await (const chunk of response) size += (chunk as Buffer).length;
      return size;
    }),
  );
  t.same(
    sizes,
    Array.from({ length: 12 }, () => 4_000_000),
  );
  t.equal(registry.count({ kind: "blob" }), 1);
  t.equal(registry.bytesSent({ kind: "blob" }), 4_000_000);
  for (const client of clients) client.close();
});

t.test("a range of a blob that is filling comes as soon as its bytes do", async (t) => {
  const { registry, proxy } = await stage(t);
  const content = syntheticBlob("range while filling", 3_000_000);
  const blob = registry.blob("library/app", content);
  const rest = gate();
  registry.fault({ kind: "blob" }, { stall: { after: 1_500_000, until: rest } });
  const [leader, follower] = [proxy.client(host), proxy.client(host)];
  const response = await leader.open(path(blob.digest));
  const early = await follower.request(path(blob.digest), { headers: { range: "bytes=1000-1999" } });
  t.equal(early.status, 206, "while the rest is still to come");
  t.equal(early.headers["content-range"], "bytes 1000-1999/3000000");
  t.ok(early.body.equals(content.read(1000, 1000)));
  const late = follower.request(path(blob.digest), { headers: { range: "bytes=2999990-" } });
  rest.open();
  t.ok((await late).body.equals(content.read(2_999_990, 10)), "a range beyond what had arrived");
  response.resume();
  await new Promise((resolve) => response.once("end", resolve));
  t.equal(registry.count({ kind: "blob" }), 1);
  leader.close();
  follower.close();
});

t.test("a leader that goes away does not stop its followers", async (t) => {
  const { registry, proxy } = await stage(t);
  const blob = registry.blob("library/app", syntheticBlob("leader leaves", 2_000_000));
  const rest = gate();
  registry.fault({ kind: "blob" }, { stall: { after: 1_000_000, until: rest } });
  const [leader, follower] = [proxy.client(host), proxy.client(host)];
  const leaving = await leader.open(path(blob.digest));
  const staying = follower.hash(path(blob.digest));
  leaving.destroy();
  leader.close();
  rest.open();
  t.match(await staying, { status: 200, digest: blob.digest });
  t.equal(registry.count({ kind: "blob" }), 1);
  follower.close();
});

t.test("what does not hash to its digest is never whole at a client, and never stored", async (t) => {
  const { registry, client } = await stage(t);
  const content = syntheticBlob("rotten", 2_000_000);
  const blob = registry.blob("library/app", content);
  const end = registry.fault({ kind: "blob" }, { corruptAt: 1_234_567 });
  const wrong = await client.request(path(blob.digest));
  t.notOk(wrong.complete, "the connection is cut");
  t.ok(wrong.body.length < 2_000_000, "the last byte never comes");
  end();
  t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "MISS" }, "fetched anew");
});

t.test("a body that is shorter or longer than announced is not stored", async (t) => {
  const { registry, client } = await stage(t);
  for (const lengthOff of [10, -10]) {
    const blob = registry.blob("library/app", uniqueBytes(500_000));
    const end = registry.fault({ kind: "blob", reference: blob.digest }, { lengthOff });
    const wrong = await client.request(path(blob.digest)).catch(() => undefined);
    t.notOk(wrong?.complete === true && wrong.status === 200, `off by ${lengthOff}: no whole answer`);
    end();
    t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "MISS" });
  }
});

t.test("an upstream that is cut midway is resumed from the byte it had", async (t) => {
  const { registry, client } = await stage(t);
  const blob = registry.blob("library/app", syntheticBlob("cut", 3_000_000));
  registry.fault({ kind: "blob" }, { cut: { after: 1_000_000 } }, 1);
  t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest });
  const [first, second] = registry.requests.filter(({ kind }) => kind === "blob");
  t.equal(first?.headers["range"], undefined);
  t.match(second?.headers["range"], /^bytes=\d+-$/);
});

t.test("a resumed transfer asks for a new signed URL, since the first one has expired", async (t) => {
  const { registry, client } = await stage(t);
  const blob = registry.blob("library/app", syntheticBlob("expired", 3_000_000));
  registry.redirectBlobs({ uses: 1 });
  registry.fault({ kind: "signed" }, { cut: { after: 1_000_000 } }, 1);
  t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest });
  const kinds = registry.requests.filter(({ method }) => method === "GET").map(({ kind }) => kind);
  t.same(kinds, ["blob", "signed", "blob", "signed"], "from the registry on, and not from where it was cut");
  t.match(registry.requests.at(-1)?.headers["range"], /^bytes=\d+-$/, "only the rest");
});

t.test("a refusal is passed on as the registry worded it, and not remembered", async (t) => {
  const { registry, client } = await stage(t);
  const blob = registry.blob("library/app", uniqueBytes(100));
  const end = registry.fault(
    { kind: "blob" },
    { status: 403, body: '{"errors":[{"code":"DENIED","message":"not yours"}]}' },
  );
  const refused = await client.request(path(blob.digest));
  t.equal(refused.status, 403);
  t.match(refused.body.toString(), /not yours/);
  end();
  t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest });
});

t.test("the same digest at another registry is that registry's to allow", async (t) => {
  const bytes = uniqueBytes(200_000);
  const [first, second] = [await startRegistry(t, { names: [host] }), await startRegistry(t, { names: ["quay.io"] })];
  const clock = { time: Date.now(), now: () => clock.time };
  const proxy = await startProxy(t, { upstreams: [first, second], clock });
  const [one, other] = [proxy.client(host), proxy.client("quay.io")];
  const blob = first.blob("library/app", bytes);
  await one.hash(path(blob.digest));
  const refused = await other.request(path(blob.digest));
  t.equal(refused.status, 404, "a digest alone opens nothing");
  second.blob("library/app", bytes);
  clock.time += 5001;
  t.match(await other.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "HIT" });
  t.equal(second.count({ kind: "blob", method: "GET" }), 0, "its bytes were here already");
  one.close();
  other.close();
});

t.test("a blob whose registry does not say its size is served and kept all the same", async (t) => {
  const { registry, client } = await stage(t);
  registry.fault({ kind: "blob" }, { chunked: true });
  const blob = registry.blob("library/app", syntheticBlob("chunked", 1_000_000));
  t.match(await client.hash(path(blob.digest)), { status: 200, digest: blob.digest, cache: "MISS" });
  const held = await client.request(path(blob.digest));
  t.match(held, { status: 200, headers: { "content-length": "1000000" } });
  t.equal(registry.count({ method: "GET" }), 1);
});

t.test("an empty blob, and one that is named by its sha512", async (t) => {
  const { registry, client } = await stage(t);
  const bytes = uniqueBytes(200_000);
  const sha512 = `sha512:${createHash("sha512").update(bytes).digest("hex")}`;
  const { read, stream } = contentOfBytes(bytes);
  const cases = [
    registry.blob("library/app", Buffer.alloc(0)),
    registry.blob("library/app", { digest: sha512, size: bytes.length, read, stream }),
  ];
  for (const { digest, size } of cases) {
    for (const cache of ["MISS", "HIT"]) {
      const answer = await client.request(path(digest));
      t.equal(answer.status, 200, `${digest.slice(0, 20)}, ${cache}`);
      t.equal(answer.headers["x-docker-registry-proxy-cache-upstream-status"], cache);
      t.ok(answer.body.equals(bytes.subarray(0, size)));
    }
  }
  const wrong = `sha512:${"0".repeat(128)}`;
  registry.blob("library/app", { digest: wrong, size: bytes.length, read, stream });
  t.notOk((await client.request(path(wrong))).complete, "what does not hash to it is cut here too");
  const absent = `sha256:${"0".repeat(64)}`;
  registry.blob("library/app", { digest: absent, size: 0, read, stream });
  t.equal((await client.request(path(absent))).status, 502, "nothing in place of something");
});
