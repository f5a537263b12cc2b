import t from "tap";
import { BufferPool } from "../../../src/cache/pool.ts";
import { Window } from "../../../src/cache/window.ts";

function text(window: Window, from: number, to: number): string {
  return Buffer.concat(window.pieces(from, to)).toString();
}

void t.test("a buffer goes back when the last holder lets go, and the pool keeps so many", (t) => {
  const pool = new BufferPool(8, 1);
  const [one, other] = [pool.take(), pool.take()];
  one.retain();
  one.release();
  t.equal(pool.idle, 0);
  one.release();
  t.equal(pool.idle, 1);
  other.release();
  t.equal(pool.idle, 1);
  t.equal(pool.take(), one);
  t.end();
});

void t.test("a window holds the last stretch of a body", (t) => {
  const window = new Window(new BufferPool(4, 9));
  window.append(Buffer.from("ab"));
  window.append(Buffer.from("cdefghij"));
  t.equal(window.end, 10);
  t.equal(text(window, 1, 9), "bcdefghi");
  t.equal(window.at(4)?.start, 4);
  t.equal(window.at(9)?.start, 8);
  t.equal(window.at(10), undefined);
  window.trim(7);
  t.equal(window.at(3), undefined, "full and before");
  t.equal(window.at(4)?.start, 4);
  window.trim(10);
  t.equal(window.at(9)?.start, 8, "one that is being filled stays");
  window.append(Buffer.from("kl"));
  t.equal(text(window, 8, 12), "ijkl");
  t.equal(window.held, 4);
  window.clear();
  t.equal(window.at(11), undefined);
  window.append(Buffer.from("m"));
  t.equal(text(window, 12, 13), "m", "positions go on");
  t.end();
});

void t.test("what a reader holds is not lent out again", (t) => {
  const pool = new BufferPool(4, 9);
  const window = new Window(pool);
  window.append(Buffer.from("abcd"));
  const cell = window.at(0);
  cell?.slab.retain();
  window.trim(4);
  t.equal(pool.idle, 0);
  cell?.slab.release();
  t.equal(pool.idle, 1);
  t.end();
});

void t.test("a small body takes no buffer of the pool", (t) => {
  const pool = new BufferPool(1024, 9);
  const window = new Window(pool);
  window.expect(3);
  window.append(Buffer.from("abc"));
  t.equal(window.held, 3);
  window.clear();
  t.equal(pool.idle, 0);
  t.end();
});
