import t from "tap";
import { giveBack } from "../../../src/core/give-back.ts";

t.test("a piece with memory of its own is empty afterwards", async (t) => {
  const piece = Buffer.alloc(64 * 1024, 1);
  giveBack(piece);
  t.equal(piece.length, 0);
  giveBack(piece);
  t.equal(piece.length, 0, "twice is no more than once");
});

t.test("memory that others share stays", async (t) => {
  const pooled = Buffer.from("a part of node's pool");
  giveBack(pooled);
  t.equal(pooled.toString(), "a part of node's pool");

  const whole = Buffer.alloc(100, 1);
  for (const part of [whole.subarray(1), whole.subarray(0, 99)]) giveBack(part);
  t.equal(whole.length, 100);

  const shared = Buffer.from(new SharedArrayBuffer(10));
  giveBack(shared);
  t.equal(shared.length, 10);
});
