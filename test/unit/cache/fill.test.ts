import { randomBytes } from "node:crypto";
import t from "tap";
import { Fill } from "../../../src/cache/fill.ts";
import type { FillListener } from "../../../src/cache/fill-parts.ts";
import { BufferPool } from "../../../src/cache/pool.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { turns } from "./pull.ts";
import { ManualUpstream } from "./upstream-script.ts";

const blob = randomBytes(1_000_000);

function fillOf(followed: boolean, retryDelays: readonly number[] = []) {
  const told: string[] = [];
  const upstream = new ManualUpstream();
  const slabs = new BufferPool(65_536, 100);
  const listener: FillListener = {
    answered: () => void told.push("answered"),
    advanced: () => undefined,
    landed: () => void told.push("landed"),
    failed: () => void told.push("failed"),
    followed: () => followed,
    needs: () => [],
    drop: () => undefined,
  };
  const store = new MemoryStore();
  const never = { retryDelays, room: undefined, roomDelays: [], patience: 0 };
  const options = { store, slabs, window: 300_000, ...never };
  const fill = new Fill(digestOf(blob), upstream.fetch, options, listener);
  fill.start();
  return { fill, upstream, slabs, told, store };
}

for (const [followed, least, most] of [
  [true, 300_000, 400_000],
  [false, 0, 65_536],
] as const) {
  void t.test(`memory is bounded by the window, ${followed ? "with" : "without"} followers`, async (t) => {
    const { fill, upstream, slabs, told } = fillOf(followed);
    t.same(told, [], "nothing is told before start has returned");
    const body = upstream.answer(blob.length);
    for (let at = 0; at < 900_000; at += 30_000) {
      body.push(blob.subarray(at, at + 30_000));
      await turns(3);
    }
    t.ok(fill.window.held >= least && fill.window.held <= most, `${fill.window.held} bytes`);
    body.push(blob.subarray(900_000));
    body.push(null);
    await turns();
    t.same(told, ["answered", "landed"]);
    t.equal(fill.window.held, 0);
    t.ok(slabs.idle > 0);
  });
}

void t.test("a fill that fails holds no memory", async (t) => {
  const { fill, upstream, slabs, told } = fillOf(true);
  const body = upstream.answer(blob.length);
  body.push(blob.subarray(0, 500_000));
  await turns();
  body.destroy(new Error("cut"));
  await turns();
  t.same(told, ["answered", "failed"]);
  t.equal(fill.window.held, 0);
  t.ok(slabs.idle > 0);
  fill.stop(new Error("again"));
  t.same(told, ["answered", "failed"], "and it fails once");
});

/** A disk that takes its time: each write waits until it is let go on. */
function slowDisk(store: MemoryStore) {
  const sizes: number[] = [];
  let free = false;
  let go = (): void => undefined;
  store.beforeAppend = async (bytes) => {
    sizes.push(bytes);
    if (free) return;
    await new Promise<void>((resolve) => (go = resolve));
  };
  return {
    sizes,
    /** All writes from now on, and the one under way. */
    release(): void {
      free = true;
      go();
    },
  };
}

void t.test("what has gathered behind a slow disk is written in pieces of 512 KiB", async (t) => {
  const { upstream, told, store } = fillOf(true);
  const disk = slowDisk(store);
  const body = upstream.answer(blob.length);
  body.push(blob.subarray(0, 1000));
  await turns();
  t.same(disk.sizes, [1000]);
  body.push(blob.subarray(1000));
  body.push(null);
  await turns();
  disk.release();
  await turns();
  t.same(disk.sizes, [1000, 524_288, 474_712]);
  t.same(told, ["answered", "landed"]);
  t.ok(store.content.get(digestOf(blob))?.bytes.equals(blob));
});

void t.test("a body that begins at zero again while more waits for the disk than is written at once", async (t) => {
  const { upstream, told, store } = fillOf(true, [0]);
  const disk = slowDisk(store);
  const body = upstream.answer(blob.length);
  body.push(blob.subarray(0, 900_000));
  await turns();
  body.destroy(new Error("cut"));
  await turns();
  const again = upstream.answer(blob.length, 0);
  again.push(blob);
  again.push(null);
  await turns();
  disk.release();
  await turns(50);
  t.same(told, ["answered", "landed"]);
  t.ok(store.content.get(digestOf(blob))?.bytes.equals(blob));
});
