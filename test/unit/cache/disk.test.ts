import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { get as cacacheGet } from "cacache";
import t, { type Test } from "tap";
import { type DiskStorage, openDiskStore } from "../../../src/cache/disk.ts";
import { contentPath } from "../../../src/cache/layout.ts";
import type { StoreListener, WatchedStore } from "../../../src/cache/types.ts";
import { type Digest, digestOf, integrityOf } from "../../../src/core/digest.ts";
import { recordingLog } from "./log.ts";
import { pullAll, pullOnce, turns } from "./pull.ts";
import { storeConformance } from "./store-conformance.ts";

const { log, lines } = recordingLog();

function open(directory: string, now = Date.now): Promise<DiskStorage> {
  return openDiskStore({ directory, clock: { now }, log });
}

async function adopt(store: WatchedStore, bytes: Buffer): Promise<Digest> {
  const digest = digestOf(bytes);
  const spool = await store.createSpool(digest);
  await spool.append([bytes]);
  await spool.adopt();
  spool.close();
  return digest;
}

void t.test("conformance", (t) => {
  storeConformance(t, async (t: Test) => open(t.testdir()));
  t.end();
});

void t.test("cacache reads what we write", async (t) => {
  const directory = t.testdir();
  const store = await open(directory);
  for (const algorithm of ["sha256", "sha512"] as const) {
    const bytes = randomBytes(1000);
    const digest = digestOf(bytes, algorithm);
    await store.put(digest, bytes);
    t.ok(bytes.equals(await cacacheGet.byDigest(directory, integrityOf(digest))));
  }
});

void t.test("a hot hit reads no file, also after the directory was wiped", async (t) => {
  const directory = t.testdir();
  const store = await open(directory);
  const small = await adopt(store, Buffer.from("small"));
  const large = await adopt(store, randomBytes(100_000));
  (await store.find(small))?.close();
  const reading = await store.find(large);
  if (reading === undefined) throw new Error("Not found.");
  await rm(directory, { recursive: true });
  const body = await store.find(small);
  t.equal(body && (await pullAll(body)).toString(), "small");
  t.equal((await pullAll(reading)).length, 100_000, "who has it open reads on");
  reading.close();
  t.equal(await store.find(large), undefined);
  const again = await adopt(store, randomBytes(100_000));
  t.ok(await store.stat(again), "and the directories are made again");
});

void t.test("small content is brought into memory where its file is right, and nothing else is", async (t) => {
  const directory = t.testdir();
  const bytes = randomBytes(1000);
  const digest = await adopt(await open(directory), bytes);
  const large = await adopt(await open(directory), randomBytes(65_537));
  const path = contentPath(directory, digest);
  const later = Math.ceil(Date.now() / 1000) * 1000 + 700_000;
  const uses: Digest[] = [];
  const fresh = async () => {
    const store = await openDiskStore({ directory, clock: { now: () => later }, log });
    store.watch({ used: (used) => uses.push(used), removed: () => t.fail("Nothing is to be removed.") });
    return store;
  };
  const store = await fresh();
  t.equal(store.hot(digest), undefined);
  await store.warm(digest, 1000);
  t.same(uses, [], "which is no use of it");
  t.ok(store.hot(digest)?.equals(bytes));
  t.same(uses, [digest]);
  store.close();
  t.equal((await stat(path)).mtimeMs, later);
  await store.warm(large, 65_537);
  t.equal(store.hot(large), undefined, "too large");
  const cases: Record<string, (path: string) => Promise<void>> = {
    changed: (path) => writeFile(path, randomBytes(1000)),
    grown: (path) => writeFile(path, "more", { flag: "a" }),
    "cut short": (path) => truncate(path, 999),
    gone: (path) => rm(path),
  };
  for (const [name, damage] of Object.entries(cases)) {
    await damage(path);
    const other = await fresh();
    await other.warm(digest, 1000);
    t.equal(other.hot(digest), undefined, name);
    await writeFile(path, bytes);
  }
  const other = await fresh();
  await other.warm(digest, 999);
  t.equal(other.hot(digest), undefined, "of another size than was recorded");
});

void t.test("who looks while content is adopted finds it, once it is", async (t) => {
  const store = await open(t.testdir());
  let missed = 0;
  for (let round = 0; round < 50; round += 1) {
    const bytes = randomBytes(100);
    const spool = await store.createSpool(digestOf(bytes));
    await spool.append([bytes]);
    let adopted = false;
    const adopting = spool.adopt().then(() => {
      adopted = true;
    });
    const looks = Array.from({ length: 4 }, async () => {
      const body = await store.find(digestOf(bytes));
      body?.close();
      if (body === undefined && adopted) missed += 1;
    });
    await Promise.all([adopting, ...looks]);
    spool.close();
  }
  t.equal(missed, 0);
});

void t.test("a damaged file is dropped and counts as absent", async (t) => {
  const directory = t.testdir();
  const bytes = randomBytes(100_000);
  const cases: Record<string, (path: string) => Promise<void>> = {
    "cut short": (path) => truncate(path, 99_000),
    emptied: (path) => truncate(path, 0),
    grown: (path) => writeFile(path, "more", { flag: "a" }),
  };
  for (const [name, damage] of Object.entries(cases)) {
    const digest = await adopt(await open(directory), bytes);
    await damage(contentPath(directory, digest));
    const store = await open(directory);
    t.equal(await store.find(digest, bytes.length), undefined, name);
    while (existsSync(contentPath(directory, digest))) await turns(1);
  }
  const small = await adopt(await open(directory), Buffer.from("small"));
  await writeFile(contentPath(directory, small), "smell");
  t.equal(await (await open(directory)).find(small), undefined, "a flipped bit in small content");
});

void t.test("a file that is cut short while it is read ends the pull with an error and is dropped", async (t) => {
  const directory = t.testdir();
  const store = await open(directory);
  const digest = await adopt(store, randomBytes(2_000_000));
  const body = await store.find(digest);
  if (body === undefined) throw new Error("Not found.");
  await truncate(contentPath(directory, digest), 1_000_000);
  await t.rejects(pullAll(body, 900_000), { code: "CACHE_IO" });
  body.close();
  t.equal(await store.find(digest), undefined);
});

void t.test("descriptors are given back, also by who leaves in the middle of a read", async (t) => {
  const store = await open(t.testdir());
  const count = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
  const before = await count();
  const digest = await adopt(store, randomBytes(300_000));
  for (let round = 0; round < 20; round += 1) {
    const body = await store.find(digest);
    if (body === undefined) throw new Error("Not found.");
    if (round % 2 === 0) await pullOnce(body, 0, 1000);
    else body.pull(0, 100_000, (_error, _pieces, release) => release());
    body.close();
    const spool = await store.createSpool(digest);
    if (round % 2 === 0) void spool.append([randomBytes(100_000)]);
    spool.close();
  }
  let left = 20;
  while ((await count()) > before && left > 0) {
    left -= 1;
    await turns();
  }
  t.equal(await count(), before);
});

void t.test("last use survives a restart, and is marked once in ten minutes at most", async (t) => {
  const directory = t.testdir();
  let now = 1_700_000_000_000;
  const store = await open(directory, () => now);
  const digest = await adopt(store, randomBytes(100_000));
  const path = contentPath(directory, digest);
  t.equal((await stat(path)).mtimeMs, now);
  now += 599_000;
  (await store.find(digest))?.close();
  store.close();
  t.equal((await stat(path)).mtimeMs, now - 599_000);
  t.equal((await store.stat(digest))?.lastUsed, now, "but it is known in this process");
  now += 1000;
  (await store.find(digest))?.close();
  t.equal((await stat(path)).mtimeMs, now - 600_000, "those of a second are marked together");
  store.close();
  t.equal((await stat(path)).mtimeMs, now, "at its end at once");
  const later = await open(directory, () => now + 5);
  t.same(await Array.fromAsync(later.list(new AbortController().signal)), [{ digest, size: 100_000, lastUsed: now }]);
});

void t.test("listeners hear of adoptions, uses and removals", async (t) => {
  const store = await open(t.testdir());
  const heard: string[] = [];
  const listener: StoreListener = {
    used: (_digest, size) => heard.push(`used ${size}`),
    removed: () => heard.push("removed"),
  };
  store.watch(listener);
  const digest = await adopt(store, randomBytes(10));
  (await store.find(digest))?.close();
  (await store.find(digest))?.close();
  await store.remove(digest);
  t.same(heard, ["used 10", "used 10", "used 10", "removed"]);
});

void t.test("what is no content is not listed", async (t) => {
  const directory = t.testdir();
  const store = await open(directory);
  const digest = await adopt(store, randomBytes(10));
  await mkdir(join(directory, "content-v2", "sha256", "aa", "bb"), { recursive: true });
  await writeFile(join(directory, "content-v2", "sha256", "aa", "bb", "README"), "no digest");
  await writeFile(join(directory, "content-v2", "sha256", "aa", "stray"), "no directory");
  t.match(await Array.fromAsync(store.list(new AbortController().signal)), [{ digest }]);
  t.same(await Array.fromAsync(store.list(AbortSignal.abort())), []);
});

void t.test("files of dead processes go at the start, others stay", async (t) => {
  const directory = t.testdir({ tmp: {} });
  const tmp = join(directory, "tmp");
  const old = new Date(Date.now() - 3_600_000);
  const ours = await (await open(directory)).createSpool(digestOf(Buffer.from("x")));
  const [living] = await readdir(tmp);
  const dead = `${2 ** 22 + 1}-0123456789ab-1.spool`;
  const before = `${process.pid}-0123456789ab-1.spool`;
  const parent = `${process.ppid}-0123456789ab-1.spool`;
  for (const name of [dead, before, parent, "young", "old"]) await writeFile(join(tmp, name), "");
  await utimes(join(tmp, "old"), old, old);
  await open(directory);
  t.same(new Set(await readdir(tmp)), new Set([living, parent, "young"]));
  ours.close();
});

void t.test("a disk that takes nothing: writes reject, reads find nothing, one line says so", async (t) => {
  const file = join(t.testdir({ file: "" }), "file");
  lines.length = 0;
  const store = await open(join(file, "cache"));
  const bytes = Buffer.from("manifest");
  for (let round = 0; round < 3; round += 1) {
    await t.rejects(store.createSpool(digestOf(bytes)), { code: "CACHE_IO" });
    await t.rejects(store.put(digestOf(bytes), bytes), { code: "CACHE_IO" });
    t.equal(await store.find(digestOf(randomBytes(3))), undefined);
  }
  const body = await store.find(digestOf(bytes));
  t.equal(body && (await pullOnce(body, 0, 100)).toString(), "manifest", "what was put is served from memory");
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  t.equal(new Set(messages).size, messages.length);
  t.notMatch(messages.join("\n"), file, "and no line holds a path");
});

void t.test(
  "an adoption that fails is a CACHE_IO, and the bytes stay readable",
  { skip: process.getuid?.() === 0 && "root may write anywhere" },
  async (t) => {
    const directory = t.testdir();
    const store = await open(directory);
    const digest = digestOf(Buffer.from("x"));
    const spool = await store.createSpool(digest);
    await spool.append([Buffer.from("x")]);
    await chmod(directory, 0o500);
    await t.rejects(spool.adopt(), { code: "CACHE_IO" });
    await chmod(directory, 0o700);
    spool.close();
  },
);

void t.test("an adoption into a place that is taken by something else is a CACHE_IO", async (t) => {
  const directory = t.testdir();
  const store = await open(directory);
  const digest = digestOf(Buffer.from("x"));
  await mkdir(dirname(dirname(contentPath(directory, digest))), { recursive: true });
  await writeFile(dirname(contentPath(directory, digest)), "a file where a directory has to be");
  const spool = await store.createSpool(digest);
  await spool.append([Buffer.from("x")]);
  await t.rejects(spool.adopt(), { code: "CACHE_IO" });
  const buffer = Buffer.alloc(1);
  const count = await new Promise((resolve) => spool.read(buffer, 0, (_error, bytes) => resolve(bytes)));
  t.equal(count, 1);
  spool.close();
  t.same(await readdir(join(directory, "tmp")), [], "and the spool is gone");
  t.equal(await readFile(dirname(contentPath(directory, digest)), "utf8").then((text) => text.length > 0), true);
});
