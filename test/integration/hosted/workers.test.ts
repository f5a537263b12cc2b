import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { startProxy } from "../../fixtures/proxy.ts";
import { digestOf, imageManifest } from "./client.ts";
import { hostedStage, registryClient, temporary } from "./rig.ts";

const name = "team/app";

async function two(t: Parameters<typeof hostedStage>[0], env: Readonly<Record<string, string>> = {}) {
  const one = await hostedStage(t, env);
  const other = await startProxy(t, { env: { REGISTRY_STORAGE: one.storage, ...env } });
  return { ...one, other: registryClient(t, other) };
}

t.test(
  "two processes serve one storage: what is pushed at one is pulled, listed and deleted at the other",
  async (t) => {
    const { client, other } = await two(t);
    const image = await client.pushImage(name, "1");
    t.same((await other.request(`/v2/${name}/manifests/1`)).body, image.bytes);
    t.equal((await other.request(`/v2/${name}/blobs/${image.blobs[1]}`)).status, 200);
    t.equal((await other.request(`/v2/${name}/manifests/1`, { method: "DELETE" })).status, 202);
    t.equal((await client.request(`/v2/${name}/manifests/1`)).status, 404);
    t.same(JSON.parse((await client.request(`/v2/${name}/tags/list`)).body.toString()), { name, tags: [] });
  },
);

t.test("an upload is begun at one and continued and ended at the other, in turns", async (t) => {
  const { client, other } = await two(t);
  const bytes = randomBytes(1_000_000);
  const location = await client.begin(name);
  const step = 150_000;
  for (let first = 0, turn = 0; first < bytes.length; first += step, turn += 1) {
    const last = Math.min(first + step, bytes.length) - 1;
    const { status } = await (turn % 2 === 0 ? other : client).request(location, {
      method: "PATCH",
      headers: { "content-range": `${first}-${last}` },
      body: bytes.subarray(first, last + 1),
    });
    t.equal(status, 202);
  }
  t.equal((await other.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" })).status, 201);
  t.ok((await client.request(`/v2/${name}/blobs/${digestOf(bytes)}`)).body.equals(bytes));
});

t.test("one blob pushed by many at once, at both: all succeed, and it is there once", async (t) => {
  const { client, other, storage } = await two(t);
  const bytes = randomBytes(500_000);
  const digests = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      (index % 2 === 0 ? client : other).pushBlob(`team/app${index % 3}`, bytes),
    ),
  );
  t.same(new Set(digests), new Set([digestOf(bytes)]));
  for (const index of [0, 1, 2]) {
    t.ok((await other.request(`/v2/team/app${index}/blobs/${digestOf(bytes)}`)).body.equals(bytes));
  }
  const folder = join(storage, "blobs", "sha256");
  t.same(
    readdirSync(folder).flatMap((first) => readdirSync(join(folder, first))),
    [digestOf(bytes).slice(7)],
  );
  t.same(readdirSync(join(storage, "uploads")), []);
  t.same(readdirSync(join(storage, "drafts")), []);
});

t.test(
  "one tag pushed by many at once, at both: it is one of theirs, whole, and all of theirs are there by digest",
  async (t) => {
    const { client, other } = await two(t);
    const config = randomBytes(10);
    await client.pushBlob(name, config);
    const manifests = Array.from({ length: 10 }, (_, number) =>
      Buffer.from(JSON.stringify({ ...imageManifest(config, []), annotations: { number: String(number) } })),
    );
    const reading = new AbortController();
    const seen = new Set<string>();
    const reader = (async () => {
      while (!reading.signal.aborted) {
        const { status, body, headers } = await other.request(`/v2/${name}/manifests/latest`);
        if (status === 200) seen.add(digestOf(body) === headers["docker-content-digest"] ? digestOf(body) : "torn");
      }
    })();
    const puts = await Promise.all(
      manifests.map((bytes, index) => (index % 2 === 0 ? client : other).putManifest(name, "latest", bytes)),
    );
    reading.abort();
    await reader;
    t.ok(puts.every(({ status }) => status === 201));
    const known = new Set(manifests.map((bytes) => digestOf(bytes)));
    t.ok(
      [...seen].every((digest) => known.has(digest)),
      "no reader saw anything else",
    );
    const { body } = await client.request(`/v2/${name}/manifests/latest`);
    t.ok(known.has(digestOf(body)));
    t.same((await other.request(`/v2/${name}/manifests/latest`)).body, body);
    for (const digest of known) t.equal((await other.request(`/v2/${name}/manifests/${digest}`)).status, 200);
  },
);

t.test("uploads may be elsewhere than the storage", async (t) => {
  const uploads = temporary(t);
  const { client, storage } = await hostedStage(t, { TEMPORARY_REGISTRY_STORAGE: uploads });
  const location = await client.begin(name);
  t.equal(readdirSync(uploads).length, 1);
  t.notOk(readdirSync(storage).includes("uploads"));
  const bytes = randomBytes(10_000);
  t.equal((await client.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT", body: bytes })).status, 201);
  t.same(readdirSync(uploads), []);
});

t.test("the workers of one instance serve one storage: uploads go on at whichever a connection leads to", async (t) => {
  const { proxy } = await hostedStage(t, { WORKERS: "2" });
  // A connection each: the kernel chooses the worker.
  const clients = Array.from({ length: 4 }, () => registryClient(t, proxy));
  const [first = registryClient(t, proxy)] = clients;
  const bytes = randomBytes(800_000);
  const location = await first.begin(name);
  for (let at = 0, turn = 0; at < bytes.length; at += 100_000, turn += 1) {
    const client = clients[turn % clients.length] ?? first;
    const headers = { "content-range": `${at}-${at + 99_999}` };
    const body = bytes.subarray(at, at + 100_000);
    t.equal((await client.request(location, { method: "PATCH", headers, body })).status, 202);
  }
  const put = await clients[1]?.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" });
  t.equal(put?.status, 201);
  await Promise.all(clients.map((client) => client.pushBlob(name, bytes)));
  const image = await first.pushImage(name, "latest");
  for (const client of clients) {
    t.ok((await client.request(`/v2/${name}/blobs/${digestOf(bytes)}`)).body.equals(bytes));
    t.same((await client.request(`/v2/${name}/manifests/latest`)).body, image.bytes);
  }
});
