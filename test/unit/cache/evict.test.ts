import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import t, { type Test } from "tap";
import { openDiskStore } from "../../../src/cache/disk.ts";
import { createEvictor, type Evictor, type EvictorOptions } from "../../../src/cache/evict.ts";
import { contentPath } from "../../../src/cache/layout.ts";
import type { WatchedStore } from "../../../src/cache/types.ts";
import { type Digest, digestOf } from "../../../src/core/digest.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { recordingLog } from "./log.ts";
import { pullAll, turns } from "./pull.ts";

const { log } = recordingLog();

function evictorOf(t: Test, store: WatchedStore, options: Partial<EvictorOptions> = {}): Evictor {
  const evictor = createEvictor({
    store,
    maxSize: 1000,
    inactive: 1e12,
    clock: { now: Date.now },
    log,
    isFlying: () => false,
    timers: { every: () => () => undefined },
    ...options,
  });
  t.teardown(() => evictor.stop());
  return evictor;
}

async function put(store: WatchedStore, size: number): Promise<Digest> {
  const bytes = randomBytes(size);
  await store.put(digestOf(bytes), bytes);
  return digestOf(bytes);
}

async function held(store: WatchedStore, digests: readonly Digest[]): Promise<boolean[]> {
  return Promise.all(digests.map(async (digest) => (await store.stat(digest)) !== undefined));
}

function at(digests: readonly Digest[], index: number): Digest {
  const digest = digests[index];
  if (digest === undefined) throw new RangeError("No such digest.");
  return digest;
}

void t.test("over its size, what was not used for longest goes", async (t) => {
  const store = new MemoryStore();
  const evictor = evictorOf(t, store);
  await evictor.loaded;
  const digests: Digest[] = [];
  for (let count = 0; count < 10; count += 1) digests.push(await put(store, 100));
  await turns();
  t.same(await held(store, digests), Array(10).fill(true), "not at its size");
  t.equal(evictor.bytes(), 1000);
  t.equal(evictor.count(), 10);
  (await store.find(at(digests, 0)))?.close();
  digests.push(await put(store, 40));
  await turns();
  t.same(await held(store, digests), [true, false, ...Array<boolean>(9).fill(true)]);
  t.equal(evictor.bytes(), 940);
});

void t.test("one that is larger than the whole cache drives out nothing else", async (t) => {
  const store = new MemoryStore();
  const evictor = evictorOf(t, store);
  await evictor.loaded;
  const small = await put(store, 900);
  const large = await put(store, 1001);
  await turns();
  t.same(await held(store, [small, large]), [true, false]);
});

void t.test("what is being fetched is spared", async (t) => {
  const store = new MemoryStore();
  const flying = await put(store, 600);
  const evictor = evictorOf(t, store, { isFlying: (digest) => digest === flying });
  await evictor.loaded;
  const digests = [flying, await put(store, 300), await put(store, 300)];
  await turns();
  t.same(await held(store, digests), [true, false, true]);
});

void t.test("what nobody used for so long goes at a sweep", async (t) => {
  let now = 1_000_000;
  const store = new MemoryStore();
  store.now = () => now;
  let tick: () => void = () => undefined;
  const timers = {
    every: (_milliseconds: number, action: () => void) => {
      tick = action;
      return () => undefined;
    },
  };
  const evictor = evictorOf(t, store, { inactive: 500, clock: { now: () => now }, timers });
  await evictor.loaded;
  const digests = [await put(store, 10), await put(store, 10)];
  now += 500;
  (await store.find(at(digests, 1)))?.close();
  await evictor.sweep();
  t.same(await held(store, digests), [true, true]);
  now += 1;
  tick();
  await turns();
  t.same(await held(store, digests), [false, true]);
});

void t.test("many adoptions at once are one round, and it stops where it has enough", async (t) => {
  const store = new MemoryStore();
  const evictor = evictorOf(t, store);
  await evictor.loaded;
  await Promise.all(Array.from({ length: 30 }, () => put(store, 100)));
  await turns(50);
  t.ok(evictor.bytes() >= 900 && evictor.bytes() <= 1000, `${evictor.bytes()} bytes`);
  t.equal(evictor.count(), store.content.size);
  const [one, other] = await Promise.all([evictor.free(150), evictor.free(50)]);
  t.same([one, other], [200, 100]);
});

void t.test("what comes during a round does not make the next one evict too much", async (t) => {
  const store = new MemoryStore();
  const evictor = evictorOf(t, store);
  await evictor.loaded;
  const gate = Promise.withResolvers<void>();
  const remove = store.remove.bind(store);
  store.remove = async (digest) => {
    await gate.promise;
    await remove(digest);
  };
  for (let count = 0; count < 11; count += 1) await put(store, 100);
  await turns();
  await put(store, 10);
  await turns();
  gate.resolve();
  await turns();
  t.equal(evictor.bytes(), 910);
});

void t.test("an earlier run's content counts, in the order of its last use", async (t) => {
  const directory = t.testdir();
  let now = 1_700_000_000_000;
  const clock = { now: () => now };
  const first = await openDiskStore({ directory, clock, log });
  const digests: Digest[] = [];
  for (let count = 0; count < 5; count += 1) {
    digests.push(await put(first, 100));
    now += 600_000;
  }
  const [oldest, second] = digests as [Digest, Digest];
  (await first.find(oldest))?.close();
  first.close();
  const store = await openDiskStore({ directory, clock, log });
  const evictor = evictorOf(t, store, { maxSize: 450, clock });
  await evictor.loaded;
  t.equal(evictor.count(), 4);
  t.equal(evictor.bytes(), 400);
  t.same(await held(store, digests), [true, false, true, true, true]);
  t.notOk(existsSync(contentPath(directory, second)));
});

void t.test("one that is being read can be read to its end", async (t) => {
  const store = await openDiskStore({ directory: t.testdir(), clock: { now: Date.now }, log });
  const evictor = evictorOf(t, store, { maxSize: 2_500_000 });
  await evictor.loaded;
  const digest = await put(store, 2_000_000);
  const body = await store.find(digest);
  if (body === undefined) throw new Error("Not found.");
  await put(store, 1_900_000);
  while ((await store.stat(digest)) !== undefined) await turns(1);
  t.equal(digestOf(await pullAll(body)), digest);
  body.close();
});

void t.test("a disk that lets nothing go: the evictor gives up and tries again later", async (t) => {
  const store = new MemoryStore();
  const evictor = evictorOf(t, store);
  await evictor.loaded;
  const remove = store.remove.bind(store);
  store.remove = () => Promise.reject(new Error("read-only"));
  await put(store, 600);
  await put(store, 600);
  await turns();
  t.equal(evictor.count(), 2);
  store.remove = remove;
  await evictor.sweep();
  t.equal(evictor.count(), 1);
});

void t.test("while too little is free on the file system, the least recently used goes", async (t) => {
  let now = 1_000_000;
  let free = 500;
  const store = new MemoryStore();
  const remove = store.remove.bind(store);
  store.remove = async (digest) => {
    free += store.content.get(digest)?.bytes.length ?? 0;
    await remove(digest);
  };
  const { log: ownLog, lines } = recordingLog();
  const disk = { minFree: 600, free: async () => free };
  const evictor = evictorOf(t, store, { disk, clock: { now: () => now }, log: ownLog });
  await evictor.loaded;
  now += 1000;
  const digests = [await put(store, 60), await put(store, 60), await put(store, 60)];
  await evictor.keepFree();
  t.same(await held(store, digests), [false, false, true]);
  t.equal(free, 620);
  free = 10;
  await evictor.keepFree();
  t.same(await held(store, digests), [false, false, true], "what was evicted may not be free yet");
  now += 1000;
  await evictor.sweep();
  t.same(await held(store, digests), [false, false, false], "a sweep looks too");
  now += 1000;
  await evictor.keepFree();
  const warned = (): string[] => lines.filter((line) => line.includes("CACHE_MIN_FREE"));
  t.equal(warned().length, 1, "and says once that nothing is left to evict");
  disk.free = async () => {
    throw new Error("no");
  };
  now += 1000;
  await evictor.keepFree();
  t.match(lines.at(-1), /free space/);
});
