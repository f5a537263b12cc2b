import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { FileThread, type FileWorker } from "../../../src/cache/file-thread.ts";
import type { FileAsk } from "../../../src/cache/file-worker.ts";
import { pooledFiles, type SmallFiles } from "../../../src/cache/small-files.ts";

/** A thread that does nothing by itself. */
class StillWorker extends EventEmitter implements FileWorker {
  readonly batches: (readonly FileAsk[])[] = [];
  postMessage(asks: readonly FileAsk[]): void {
    this.batches.push(asks);
  }
  terminate(): void {
    this.emit("exit");
  }
  keeps = true;
  ref(): void {
    this.keeps = true;
  }
  unref(): void {
    this.keeps = false;
  }
  /** Answers the oldest batch: each file is one byte. */
  answer(value = 1): void {
    const count = this.batches.shift()?.length ?? 0;
    const replies = Array.from({ length: count }, () => ({ size: 1, mtimeMs: 0, length: 1 }));
    this.emit("message", { replies, bytes: new Uint8Array(count).fill(value) });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Until the real thread has answered for the first time. */
async function threaded(): Promise<FileThread> {
  const files = new FileThread({ startAt: 1, now: () => 0 });
  while (!files.isReady) {
    await files.read(import.meta.filename);
    await turn();
  }
  return files;
}

t.test("files are read and dated alike by the pool and by a thread", async (t) => {
  const ways: Record<string, SmallFiles> = { pool: pooledFiles, thread: await threaded() };
  for (const [name, files] of Object.entries(ways)) {
    const directory = t.testdir();
    const sizes = [0, 1, 300, 16_384, 65_536, 1_000_000];
    const written = sizes.map((size) => ({ path: join(directory, String(size)), bytes: randomBytes(size) }));
    for (const { path, bytes } of written) await writeFile(path, bytes);
    const read = await Promise.all(written.map(({ path }) => files.read(path)));
    for (const [index, { bytes }] of written.entries()) {
      t.ok(read[index]?.bytes.equals(bytes), `${name}, ${bytes.length} bytes`);
      t.equal(read[index]?.size, bytes.length);
      t.equal(read[index]?.bytes.buffer.byteLength, bytes.length, "alone in its memory");
    }
    const path = join(directory, "300");
    t.equal((await files.read(path, 300)).bytes.length, 300);
    const larger = await files.read(path, 299);
    t.same([larger.size, larger.bytes.length], [300, 0], "larger than is wanted");
    await files.mark(path, 1_700_000_000_999);
    t.equal((await stat(path)).mtimeMs, 1_700_000_000_000);
    t.equal((await files.read(path)).mtimeMs, 1_700_000_000_000);
    const [missing, there] = await Promise.allSettled([files.read(join(directory, "none")), files.read(path)]);
    t.match(missing, { reason: { code: "ENOENT" } });
    t.equal(there.status, "fulfilled");
    await t.rejects(files.mark(join(directory, "none"), 0), { code: "ENOENT" });
    await t.rejects(files.read(directory), { code: "EISDIR" });
  }
});

t.test("a thread is begun where files are many, and takes those of a turn at once", async (t) => {
  const workers: StillWorker[] = [];
  let now = 0;
  const start = (): FileWorker => {
    const worker = new StillWorker();
    workers.push(worker);
    return worker;
  };
  const files = new FileThread({ startAt: 3, now: () => now, start });
  const path = import.meta.filename;
  const byPool = async (what: string): Promise<void> => {
    t.ok((await files.read(path)).size > 1, what);
  };
  await byPool("first");
  await byPool("second");
  now = 1000;
  await byPool("in another second");
  await byPool("in another second");
  t.equal(workers.length, 0);
  await byPool("while it begins");
  const [worker] = workers;
  if (worker === undefined) throw new Error("No thread was begun.");
  worker.answer();
  t.notOk(worker.keeps, "nobody waits for it");
  const several = Promise.all([files.read(path), files.read(path), files.mark(path, 5_000)]);
  await turn();
  t.match(worker.batches, [[{ path }, { path }, { path, seconds: 5 }]]);
  t.ok(worker.keeps);
  now = 1049;
  const later = files.read(path);
  await turn();
  t.equal(worker.batches.length, 2);
  now = 1050;
  await byPool("while it waits for a slow disk");
  worker.answer(7);
  t.same(
    (await several).map((file) => file?.bytes[0]),
    [7, 7, undefined],
  );
  worker.emit("exit");
  t.ok((await later).size > 1, "what it leaves is the pool's");
});

t.test("where there can be no thread, there is none", async (t) => {
  let tried = 0;
  const start = (): FileWorker => {
    tried += 1;
    throw new Error("No.");
  };
  const files = new FileThread({ startAt: 1, start });
  for (let round = 0; round < 3; round += 1) t.ok((await files.read(import.meta.filename)).size > 1);
  t.equal(tried, 1);
});

t.test("dating alone begins no thread", async (t) => {
  let begun = 0;
  const start = (): FileWorker => {
    begun += 1;
    return new StillWorker();
  };
  const files = new FileThread({ startAt: 2, now: () => 0, start });
  const path = join(t.testdir({ file: "x" }), "file");
  for (const used of [5_000, 6_000, 7_000]) await files.mark(path, used);
  t.equal((await stat(path)).mtimeMs, 7_000);
  await files.read(path);
  t.equal(begun, 0);
  await files.read(path);
  t.equal(begun, 1);
});
