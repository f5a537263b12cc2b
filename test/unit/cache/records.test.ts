import { createHash } from "node:crypto";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { get as cacacheGet, index as cacacheIndex } from "cacache";
import t from "tap";
import { indexPath } from "../../../src/cache/layout.ts";
import { type DiskRecords, openRecords } from "../../../src/cache/records.ts";
import type { CacheRecord } from "../../../src/cache/types.ts";
import { digestOf, integrityOf } from "../../../src/core/digest.ts";
import { recordingLog } from "./log.ts";

const { log } = recordingLog();
const key = "tag|registry.test|library/app|latest|*/*";
const record: CacheRecord = { digest: digestOf(Buffer.from("x")), mediaType: "application/test", size: 1, checked: 5 };
const other: CacheRecord = { ...record, digest: digestOf(Buffer.from("y"), "sha512") };

function open(directory: string, keys = 100): DiskRecords {
  return openRecords({ directory, clock: { now: Date.now }, log, keys });
}

void t.test("a record survives a restart, in cacache's own format", async (t) => {
  const directory = t.testdir();
  const records = open(directory);
  t.equal(await records.get(key), undefined);
  await records.put(key, record);
  t.same(await records.get(key), record);
  t.same(await open(directory).get(key), record);
  t.match(await cacacheGet.info(directory, key), { key, integrity: integrityOf(record.digest), size: 1 });
  await records.put(key, other);
  t.same(await open(directory).get(key), other, "the last one counts, sha512 too");
  await records.delete(key);
  await records.delete(key);
  t.equal(await records.get(key), undefined);
  t.equal(await open(directory).get(key), undefined);
});

void t.test("of a file of the index the last whole line of the key counts, as to cacache", async (t) => {
  const directory = t.testdir();
  await open(directory).put(key, record);
  const path = indexPath(directory, key);
  const written = await readFile(path, "utf8");
  const line = (entry: object): string => {
    const json = JSON.stringify({ key, integrity: integrityOf(other.digest), size: 7, metadata: record, ...entry });
    return `\n${createHash("sha1").update(json).digest("hex")}\t${json}`;
  };
  const agree = async (text: string, size: number | undefined, what: string): Promise<void> => {
    await writeFile(path, text);
    t.equal((await open(directory).get(key))?.size, size, what);
    t.equal((await cacacheGet.info(directory, key, { memoize: false }))?.size, size, `${what}, to cacache`);
  };
  await agree(written, 1, "one line");
  await agree(written + line({}), 7, "a later one");
  await agree(written + line({ key: "another" }), 1, "one of another key");
  await agree(written + line({}).slice(0, -1), 1, "a torn one");
  await agree(written + line({}).replace('"size":7', '"size":8'), 1, "one that was changed");
  await agree(`${written + line({})}\n`, 7, "an empty one at the end");
  await agree(written + line({ integrity: null }), undefined, "a deletion");
  await agree(written + line({ integrity: null }) + line({}), 7, "and after it");
  await agree("", undefined, "nothing");
  await agree("no entry\n\tat all", undefined, "something else");
});

void t.test("a key in use, and one known to be absent, cost no file read", async (t) => {
  const directory = t.testdir();
  const records = open(directory);
  await records.put(key, record);
  t.equal(await records.get("none"), undefined);
  await cacacheIndex.insert(directory, "none", integrityOf(record.digest), {
    size: 1,
    metadata: { mediaType: "", checked: 1 },
  });
  await rm(directory, { recursive: true });
  t.same(await records.get(key), record);
  t.equal(await records.get("none"), undefined);
  await records.put("none", record);
  t.same(await records.get("none"), record, "until it is put");
});

void t.test("a put while the key is being read wins", async (t) => {
  const directory = t.testdir();
  await open(directory).put(key, record);
  const records = open(directory);
  const [, read] = await Promise.all([records.put(key, other), records.get(key)]);
  t.same(read, other);
  const again = open(directory);
  const reading = again.get(key);
  await again.put(key, record);
  await reading;
  t.same(await again.get(key), record);
});

void t.test("the last of many puts at once is what the disk has", async (t) => {
  const directory = t.testdir();
  const records = open(directory);
  const puts = Array.from({ length: 20 }, (_, size) => records.put(key, { ...record, size }));
  puts.push(records.delete(key), records.put(key, other));
  await Promise.all(puts);
  t.same(await open(directory).get(key), other);
  const mixed = [records.put(key, record), records.put(key, other)];
  await Promise.all(mixed);
  t.same(await open(directory).get(key), other, "also where it is what the disk had before");
});

void t.test("a confirmation that is little younger is not written", async (t) => {
  const directory = t.testdir();
  const records = open(directory);
  await records.put(key, record);
  const before = (await stat(indexPath(directory, key))).size;
  await records.put(key, { ...record, checked: 3_600_004 });
  t.equal((await stat(indexPath(directory, key))).size, before);
  t.equal((await records.get(key))?.checked, 3_600_004);
  await records.put(key, { ...record, checked: 3_600_005 });
  t.equal((await open(directory).get(key))?.checked, 3_600_005);
});

void t.test("a tag that changes for ever does not grow for ever", async (t) => {
  const directory = t.testdir();
  const records = open(directory);
  for (let size = 0; size < 150; size += 1) await records.put(key, { ...record, size });
  t.ok((await stat(indexPath(directory, key))).size < 17_000);
  t.equal((await open(directory).get(key))?.size, 149);
});

void t.test("a torn or foreign entry is as good as none", async (t) => {
  const directory = t.testdir();
  await open(directory).put(key, record);
  const whole = await readFile(indexPath(directory, key));
  await writeFile(indexPath(directory, key), Buffer.concat([whole, whole.subarray(0, 80)]));
  t.same(await open(directory).get(key), record, "a torn end leaves what was before");
  await writeFile(indexPath(directory, key), whole.subarray(0, 80));
  t.equal(await open(directory).get(key), undefined);
  await cacacheIndex.insert(directory, "foreign", integrityOf(record.digest), { size: 1, metadata: { mediaType: 5 } });
  t.equal(await open(directory).get("foreign"), undefined);
});

void t.test("a disk that takes nothing: CACHE_IO, and memory goes on", async (t) => {
  const directory = join(t.testdir({ file: "" }), "file");
  const records = open(directory);
  t.equal(await records.get(key), undefined);
  await t.rejects(records.put(key, record), { code: "CACHE_IO" });
  t.same(await records.get(key), record);
});

void t.test("only a record about that digest is dropped", async (t) => {
  const directory = t.testdir();
  const records = open(directory);
  await records.put(key, record);
  await records.deleteAbout(key, other.digest);
  t.same(await records.get(key), record);
  await records.deleteAbout(key, record.digest);
  t.equal(await records.get(key), undefined);
  t.equal(await open(directory).get(key), undefined);
});
