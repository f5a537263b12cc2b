import t from "tap";
import { EntrepotError } from "../../../src/core/errors.ts";
import { type Alarm, withPatience } from "../../../src/upstream/patience.ts";

/** An alarm that rings when it is told to. */
function manual() {
  const set: { milliseconds: number; ring: () => void; live: boolean }[] = [];
  const alarm: Alarm = {
    after(milliseconds, ring) {
      const one = { milliseconds, ring, live: true };
      set.push(one);
      return () => void (one.live = false);
    },
  };
  return { alarm, set };
}

/** Ends only with its signal. */
const hang = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));

t.test("what takes too long ends as a timeout", async (t) => {
  const { alarm, set } = manual();
  const { signal } = new AbortController();
  const work = withPatience({ host: "reg.test", signal, milliseconds: 5000 }, alarm, hang);
  t.equal(set[0]?.milliseconds, 5000);
  set[0]?.ring();
  await t.rejects(work, { code: "UPSTREAM_TIMEOUT", message: /reg\.test.*5000 ms/ });
});

t.test("once it is there it is not cut, but by the caller", async (t) => {
  const { alarm, set } = manual();
  const caller = new AbortController();
  const limit = await withPatience(
    { host: "reg.test", signal: caller.signal, milliseconds: 5000 },
    alarm,
    async (signal) => signal,
  );
  t.equal(set[0]?.live, false, "the alarm is off");
  t.notOk(limit.aborted);
  caller.abort(new EntrepotError("CANCELLED", "gone"));
  t.match(limit.reason, { code: "CANCELLED" });
});

t.test("a failure turns the alarm off; no limit, no alarm", async (t) => {
  const { alarm, set } = manual();
  const { signal } = new AbortController();
  const broken = async (): Promise<never> => {
    throw new Error("broken");
  };
  await t.rejects(withPatience({ host: "x", signal, milliseconds: 1 }, alarm, broken), { message: "broken" });
  t.equal(set[0]?.live, false);
  t.equal(await withPatience({ host: "x", signal, milliseconds: undefined }, alarm, async (own) => own), signal);
  t.equal(set.length, 1);
});
