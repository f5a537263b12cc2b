import t from "tap";
import { BufferPool } from "../../../src/cache/pool.ts";
import type { Timers } from "../../../src/cache/timers.ts";

/** A timer whose turns the test makes. */
class ManualTimers implements Timers {
  turn: (() => void) | undefined;

  every(_milliseconds: number, action: () => void): () => void {
    this.turn = action;
    return () => (this.turn = undefined);
  }
}

function manualPool(keep: number) {
  const timers = new ManualTimers();
  return { timers, pool: new BufferPool(64, keep, { timers }) };
}

void t.test("a buffer is of the least size that is enough", (t) => {
  const { pool } = manualPool(9);
  const lengths = [64, 33, 32, 17, 16, 8, 1, 1000].map((bytes) => pool.take(bytes).buffer.length);
  t.same(lengths, [64, 64, 32, 32, 16, 8, 8, 64]);
  t.equal(pool.take().buffer.length, 64);
  t.end();
});

void t.test("a buffer is lent again to who needs that size alone", (t) => {
  const { pool } = manualPool(9);
  const small = pool.take(16);
  small.release();
  t.not(pool.take(64), small);
  t.equal(pool.take(16), small);
  t.end();
});

void t.test("what is not held is given back at once", (t) => {
  const { pool } = manualPool(1);
  const [one, other] = [pool.take(), pool.take()];
  one.release();
  other.release();
  t.equal(one.buffer.length, 64);
  t.equal(other.buffer.length, 0);
  t.end();
});

void t.test("idle buffers of another size make room for those in use", (t) => {
  const { pool } = manualPool(1);
  const large = pool.take();
  large.release();
  const small = [1, 2, 3, 4, 5].map(() => pool.take(16));
  for (const slab of small) slab.release();
  t.equal(large.buffer.length, 0);
  t.same(
    small.map((slab) => slab.buffer.length),
    [16, 16, 16, 16, 0],
    "as many bytes as one large one",
  );
  t.end();
});

void t.test("what nobody needed from one turn of the timer to the next is given back", (t) => {
  const { pool, timers } = manualPool(9);
  const slabs = [1, 2, 3].map(() => pool.take());
  for (const slab of slabs) slab.release();
  timers.turn?.();
  t.equal(pool.idle, 3, "they were needed a moment ago");
  pool.take().release();
  timers.turn?.();
  t.equal(pool.idle, 1, "one was needed since");
  t.equal(slabs.filter((slab) => slab.buffer.length === 0).length, 2);
  timers.turn?.();
  t.equal(pool.idle, 0);
  t.equal(timers.turn, undefined, "nothing is left to look at");
  pool.take().release();
  t.type(timers.turn, "function", "until a buffer is idle again");
  t.end();
});
