import t, { type Test } from "tap";
import { gate } from "../../fixtures/gate.ts";
import { inOneProcess, type ProxyOptions, type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { type FixtureRegistry, startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import type { Content } from "../../fixtures/synthetic-blob.ts";
import { clientOf, hub, MovableClock, until } from "../stage.ts";
import { cannotMount, SmallDisk } from "./small-disk.ts";

t.setTimeout(120_000);

const mebibyte = 1024 * 1024;

interface Stage {
  readonly registry: FixtureRegistry;
  readonly proxy: RunningProxy;
  readonly client: ProxyClient;
  readonly disk: SmallDisk;
  readonly clock: MovableClock;
  blob(size: number): Content;
}

async function stage(t: Test, size: number, env: ProxyOptions["env"] = {}): Promise<Stage> {
  const disk = new SmallDisk(t, size);
  const registry = await startRegistry(t, { names: [hub] });
  const clock = new MovableClock();
  const options = { upstreams: [registry], directory: disk.directory, clock, env: { CACHE_MIN_FREE: "0", ...env } };
  const proxy = await startProxy(t, options);
  const blob = (bytes: number): Content => registry.blob("library/app", uniqueBytes(bytes));
  return { registry, proxy, client: clientOf(t, proxy), disk, clock, blob };
}

const path = ({ digest }: Content): string => `/v2/library/app/blobs/${digest}`;

function troubles(proxy: RunningProxy): unknown[] {
  return proxy.logLines.filter(({ event }) => event === "cache-trouble").map(({ code }) => code);
}

/**
 * Transfers for so many clients that ask at once. What a process cannot write, no other one can read: each fetches for itself, and so does who asks
 * after the disk has failed.
 */
function most(clients: number): number {
  return inOneProcess ? 1 : clients;
}

t.test("on a disk that is full, older blobs make room for a newer one", { skip: cannotMount }, async (t) => {
  const { client, blob, registry, proxy } = await stage(t, 5 * mebibyte);
  const [one, other] = [blob(3 * mebibyte), blob(3 * mebibyte)];
  for (const each of [one, other]) {
    t.match(await client.hash(path(each)), { status: 200, digest: each.digest, cache: "MISS" });
    t.match(await client.hash(path(each)), { status: 200, digest: each.digest, cache: "HIT" });
  }
  t.match(await client.hash(path(one)), { status: 200, digest: one.digest, cache: "MISS" }, "it had to go");
  t.equal(registry.count({ method: "GET", kind: "blob" }), 3);
  t.same(troubles(proxy), ["ENOSPC"], "one line");
});

t.test(
  "a blob that is larger than the disk passes through memory, once for all whom a process serves",
  { skip: cannotMount },
  async (t) => {
    const { client, blob, registry, proxy, disk } = await stage(t, 4 * mebibyte);
    const large = blob(24 * mebibyte);
    const clients = [client, clientOf(t, proxy), clientOf(t, proxy)];
    const pulled = await Promise.all(clients.map((each) => each.hash(path(large))));
    for (const each of pulled) t.match(each, { status: 200, digest: large.digest });
    t.ok(registry.count({ method: "GET", reference: large.digest }) <= most(clients.length));
    t.match(await client.hash(path(large)), { digest: large.digest, cache: "MISS" }, "and is not kept");
    await until(() => disk.free() > 3.5 * mebibyte);
    t.same(troubles(proxy), ["ENOSPC"]);
  },
);

t.test("images are pulled whatever else fills the disk", { skip: cannotMount }, async (t) => {
  const { client, registry, proxy, disk } = await stage(t, mebibyte);
  disk.fill();
  const image = registry.image({
    repository: "library/app",
    tag: "1.2.3",
    layers: [uniqueBytes(300_000), uniqueBytes(10)],
  });
  for (let count = 0; count < 2; count += 1) {
    const pulled = await client.pull("library/app", "1.2.3");
    t.equal(pulled.digest, image.digest);
    t.equal(pulled.blobs.length, 3);
  }
  t.ok(troubles(proxy).length <= 2, `${troubles(proxy).length} lines for all of it`);
});

t.test("CACHE_MIN_FREE stays free", { skip: cannotMount }, async (t) => {
  const { client, blob, disk, proxy, clock } = await stage(t, 16 * mebibyte, { CACHE_MIN_FREE: "6m" });
  const blobs = [1, 2, 3, 4, 5].map(() => blob(3 * mebibyte));
  for (const each of blobs) {
    clock.time += 2000;
    t.match(await client.hash(path(each)), { digest: each.digest });
    await until(() => disk.free() >= 6 * mebibyte);
  }
  t.ok(disk.free() < 10 * mebibyte, "no more than that goes");
  const newest = blobs.at(-1);
  if (newest !== undefined) t.match(await client.hash(path(newest)), { cache: "HIT" }, "and the oldest first");
  t.same(troubles(proxy), []);
});

t.test(
  "a cache directory that became read-only serves what it has, and pulls go on",
  { skip: cannotMount },
  async (t) => {
    const { client, blob, disk, proxy, registry } = await stage(t, 16 * mebibyte);
    const [held, fresh] = [blob(mebibyte), blob(mebibyte)];
    await client.hash(path(held));
    await disk.remount("ro");
    t.match(await client.hash(path(held)), { digest: held.digest, cache: "HIT" });
    t.match(await client.hash(path(fresh)), { status: 200, digest: fresh.digest });
    t.match(await client.hash(path(fresh)), { status: 200, digest: fresh.digest });
    const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(1000)] });
    t.equal((await client.pull("library/app", "1")).digest, image.digest);
    t.same(troubles(proxy), ["EROFS"], "one line");
    await disk.remount("rw");
    t.match(await client.hash(path(fresh)), { digest: fresh.digest, cache: "MISS" });
    t.match(await client.hash(path(fresh)), { digest: fresh.digest, cache: "HIT" }, "and it mends itself");
  },
);

t.test("a cache directory that is read-only at the start", { skip: cannotMount }, async (t) => {
  const first = await stage(t, 16 * mebibyte);
  const [held, fresh] = [first.blob(mebibyte), first.blob(mebibyte)];
  await first.client.hash(path(held));
  await first.proxy.stop();
  await first.disk.remount("ro");
  const options = { upstreams: [first.registry], directory: first.disk.directory, env: { CACHE_MIN_FREE: "0" } };
  const proxy = await startProxy(t, options);
  const client = clientOf(t, proxy);
  t.match(await client.hash(path(held)), { digest: held.digest, cache: "HIT" });
  t.match(await client.hash(path(fresh)), { digest: fresh.digest });
  t.same(troubles(proxy), ["EROFS"]);
});

t.test(
  "a disk that takes no file at all: who asks a process at once shares one transfer",
  { skip: cannotMount },
  async (t) => {
    const { blob, disk, proxy, registry } = await stage(t, 16 * mebibyte);
    await disk.remount("ro");
    const fresh = blob(24 * mebibyte);
    const beginning = gate();
    const end = registry.fault({ reference: fresh.digest }, { holdUntil: beginning });
    const pulls = Array.from({ length: 6 }, () => clientOf(t, proxy).hash(path(fresh)));
    await registry.seen({ reference: fresh.digest });
    end();
    beginning.open();
    for (const pulled of await Promise.all(pulls)) t.match(pulled, { status: 200, digest: fresh.digest });
    const transfers = registry.count({ method: "GET", reference: fresh.digest });
    t.ok(transfers <= most(pulls.length));
    t.equal(registry.bytesSent({ reference: fresh.digest }), transfers * fresh.size);
    t.same(troubles(proxy), ["EROFS"], "one line");
  },
);

t.test("in one process, tags on a full disk are what they are at the registry", { skip: cannotMount }, async (t) => {
  // In an outage its memory is all that has them, and other processes have none of it.
  const { client, registry, proxy, disk, clock } = await stage(t, 16 * mebibyte, { WORKERS: "1" });
  const image = (): string =>
    registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(1000)] }).digest;
  const first = image();
  t.equal((await client.pull("library/app", "1")).digest, first);
  const free = disk.fill();
  const second = image();
  clock.time += 60_000;
  t.equal((await client.pull("library/app", "1")).digest, second, "the new one");
  registry.forget();
  t.equal((await client.pull("library/app", "1")).digest, second, "and again");
  t.equal(registry.count({ kind: "manifest", method: "GET" }), 0, "from memory");
  const clear = registry.fault({}, { status: 503 });
  t.equal((await client.pull("library/app", "1")).digest, second, "also in an outage");
  clear();
  free();
  const third = image();
  t.equal((await client.pull("library/app", "1")).digest, third);
  t.ok(troubles(proxy).every((code) => code === "ENOSPC"));
  t.ok(troubles(proxy).length === 1, "one line");
  await proxy.stop();
  const env = { CACHE_MIN_FREE: "0" };
  const again = await startProxy(t, { upstreams: [registry], directory: disk.directory, clock, env });
  registry.fault({}, { status: 503 });
  t.equal(
    (await clientOf(t, again).pull("library/app", "1")).digest,
    third,
    "what was written since is there at the next start",
  );
  await again.stop();
});

t.test("a cache directory that is unmounted under a running proxy", { skip: cannotMount }, async (t) => {
  const { client, blob, disk, proxy, registry } = await stage(t, 16 * mebibyte);
  const [held, filling] = [blob(mebibyte), blob(3 * mebibyte)];
  await client.hash(path(held));
  const rest = gate();
  registry.fault({ reference: filling.digest }, { stall: { after: mebibyte, until: rest } });
  const reading = clientOf(t, proxy).hash(path(filling));
  await registry.seen({ reference: filling.digest });
  disk.unmount();
  rest.open();
  t.match(await reading, { status: 200, digest: filling.digest }, "what is on its way arrives");
  for (const each of [held, filling]) {
    t.match(await client.hash(path(each)), { status: 200, digest: each.digest });
    t.match(await client.hash(path(each)), { status: 200, digest: each.digest, cache: "HIT" });
  }
  t.ok(troubles(proxy).length <= 2);
});
