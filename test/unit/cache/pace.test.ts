import t from "tap";
import { paceOf, tooSlowBefore } from "../../../src/cache/pace.ts";

const at = { spooled: 100, received: 1000, paused: false };

t.test("memory is kept from what the slowest needs on, and that bounds the source", (t) => {
  t.same(paceOf(at, [900, 950], 200), { keep: 900, paused: false });
  t.same(paceOf(at, [900, 800], 200), { keep: 800, paused: true });
  t.same(
    paceOf(at, [50, 950], 1000),
    { keep: 100, paused: false },
    "one that is still on the spool needs what comes after it",
  );
  t.same(paceOf(at, [2000, Number.POSITIVE_INFINITY], 200), { keep: 1000, paused: false });
  t.same(paceOf(at, [], 200), { keep: 1000, paused: false });
  t.end();
});

t.test("it goes on when half is free", (t) => {
  const paused = { ...at, paused: true };
  t.same(paceOf(paused, [899], 200), { keep: 899, paused: true });
  t.same(paceOf(paused, [900], 200), { keep: 900, paused: false });
  t.end();
});

t.test("nobody is too slow who holds up nobody", (t) => {
  t.equal(tooSlowBefore(1000, [10, 20], 200), undefined);
  t.equal(tooSlowBefore(1000, [10, 900], 200), 900);
  t.end();
});
