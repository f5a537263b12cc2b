import { randomBytes } from "node:crypto";
import { existsSync, openSync, readSync, writeSync } from "node:fs";
import { readdir, rename, stat, utimes, writeFile } from "node:fs/promises";
import t, { type Test } from "tap";
import { type DiskStoreOptions, openDiskStore } from "../../../src/cache/disk.ts";
import { contentPath } from "../../../src/cache/layout.ts";
import type { WatchedStore } from "../../../src/cache/types.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { recordingLog } from "./log.ts";
import { pullAll, pullOnce, turns } from "./pull.ts";

const { log } = recordingLog();
const bytes = randomBytes(2_000_000);
const digest = digestOf(bytes);

interface Stage {
  readonly path: string;
  readonly clock: { time: number };
  /** A store as after a start. */
  start(options?: Partial<DiskStoreOptions>): Promise<WatchedStore>;
}

async function stage(t: Test): Promise<Stage & { readonly store: WatchedStore }> {
  const directory = t.testdir();
  const clock = { time: Date.now() };
  const start = (options: Partial<DiskStoreOptions> = {}): Promise<WatchedStore> =>
    openDiskStore({ directory, clock: { now: () => clock.time }, log, ...options });
  const store = await start();
  await adopt(store);
  return { path: contentPath(directory, digest), clock, start, store };
}

async function adopt(store: WatchedStore): Promise<void> {
  const spool = await store.createSpool(digest);
  await spool.append([bytes]);
  await spool.adopt();
  spool.close();
}

/** In place. `quietly`: as a disk does it, whose file keeps its time. */
async function flip(path: string, how: "openly" | "quietly" = "openly"): Promise<void> {
  const { atime, mtime } = await stat(path);
  const file = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, 1_000_000);
  writeSync(file, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 1_000_000);
  if (how === "quietly") await utimes(path, atime, mtime);
}

async function outcome(store: WatchedStore): Promise<"whole" | "wrong" | "absent" | "cut"> {
  const body = await store.find(digest);
  if (body === undefined) return "absent";
  try {
    return bytes.equals(await pullAll(body)) ? "whole" : "wrong";
  } catch {
    return "cut";
  } finally {
    body.close();
  }
}

void t.test("after a start a file is proven before its first byte is given", async (t) => {
  const { path, start } = await stage(t);
  await flip(path, "quietly");
  const store = await start();
  t.equal(await outcome(store), "absent");
  while (existsSync(path)) await turns(1);
  await adopt(store);
  t.equal(await outcome(store), "whole");
});

void t.test("a large one is proven while it is read, and its end held back", async (t) => {
  const { path, start } = await stage(t);
  t.equal(await outcome(await start({ provenFirst: 0 })), "whole");
  await flip(path, "quietly");
  const store = await start({ provenFirst: 0 });
  const bodies = [await store.find(digest), await store.find(digest)];
  const read = await Promise.all(
    bodies.map(async (body) => {
      let position = 0;
      try {
        for (let piece = 1; piece > 0; position += piece) {
          piece = body === undefined ? 0 : (await pullOnce(body, position, 200_000)).length;
        }
      } catch (error) {
        t.match(error, { code: "CACHE_IO" });
        return position;
      }
      return t.fail("Its last piece was given.");
    }),
  );
  t.same(read, [1_800_000, 1_800_000], "for all who read it");
  for (const body of bodies) body?.close();
  t.equal(await outcome(store), "absent");
});

void t.test("who wants a part of it can wait for the whole to be proven", async (t) => {
  const { path, start } = await stage(t);
  const right = await (await start({ provenFirst: 0 })).find(digest);
  await right?.proven?.();
  t.ok(right?.proven);
  right?.close();
  await flip(path, "quietly");
  const store = await start({ provenFirst: 0 });
  const body = await store.find(digest);
  await t.rejects(async () => body?.proven?.(), { code: "CACHE_IO" });
  body?.close();
  t.equal(await outcome(store), "absent");
});

void t.test(
  "it is proven once: a hit reads it once and no more, also past the time that its last use is noted",
  async (t) => {
    const { path, start, clock } = await stage(t);
    const stores = [await start(), await start({ provenFirst: 0 })];
    for (const store of stores) t.equal(await outcome(store), "whole");
    clock.time += 600_000;
    for (const store of stores) t.equal(await outcome(store), "whole");
    const dated = async (): Promise<boolean> => (await stat(path)).mtimeMs === Math.floor(clock.time / 1000) * 1000;
    while (!(await dated())) await turns(1);
    // What no file system shows is for the scrubber to find; that it goes by here shows that nothing was hashed.
    await flip(path, "quietly");
    for (const store of stores) t.equal(await outcome(store), "wrong");
  },
);

void t.test("what a fill has just proven is not hashed again", async (t) => {
  const { path, store } = await stage(t);
  await flip(path, "quietly");
  t.equal(await outcome(store), "wrong");
});

void t.test("one that was changed or replaced since is proven anew", async (t) => {
  const changes: Record<string, (path: string) => Promise<void>> = {
    "changed in place": (path) => flip(path),
    "another one's": async (path) => {
      await writeFile(`${path}.other`, randomBytes(bytes.length));
      await utimes(`${path}.other`, 1000, 1000);
      await rename(`${path}.other`, path);
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    const { path, store } = await stage(t);
    t.equal(await outcome(store), "whole");
    await change(path);
    t.equal(await outcome(store), "absent", name);
  }
  const { path, store } = await stage(t);
  await writeFile(path, bytes);
  t.equal(await outcome(store), "whole", "and kept where it is what it should be");
});

void t.test("one that is changed while it is read is not given to its end", async (t) => {
  const { path, store } = await stage(t);
  const body = await store.find(digest);
  if (body === undefined) throw new Error("Not found.");
  await pullOnce(body, 0, 100_000);
  await flip(path);
  await t.rejects(pullAll(body, 100_000), { code: "CACHE_IO" });
  body.close();
  t.equal(await outcome(store), "absent");
});

void t.test("descriptors are given back, whatever became of the proof", async (t) => {
  const { start } = await stage(t);
  const count = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
  const before = await count();
  for (let round = 0; round < 4; round += 1) {
    const store = await start({ provenFirst: 0 });
    const bodies = [await store.find(digest), await store.find(digest), await store.find(digest)];
    const [unread, left, read] = bodies;
    unread?.close();
    left?.pull(0, 1000, (_error, _pieces, release) => release());
    if (round % 2 === 0) left?.close();
    if (read !== undefined && round > 1) t.ok(bytes.equals(await pullAll(read)));
    left?.close();
    read?.close();
    t.equal(await outcome(store), "whole");
  }
  while ((await count()) > before) await turns(1);
  t.equal(await count(), before);
});
