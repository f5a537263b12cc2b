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

function fillOf(followed: boolean) {
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
  const never = { retryDelays: [], room: undefined, roomDelays: [], patience: 0 };
  const options = { store: new MemoryStore(), slabs, window: 300_000, ...never };
  const fill = new Fill(digestOf(blob), upstream.fetch, options, listener);
  fill.start();
  return { fill, upstream, slabs, told };
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
