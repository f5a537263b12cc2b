import t from "tap";
import { Coalescer } from "../../../src/cache/coalesce.ts";
import { turns } from "./pull.ts";

void t.test("one piece of work for all who ask meanwhile, a new one afterwards", async (t) => {
  const coalescer = new Coalescer<number>();
  let started = 0;
  const work = async (): Promise<number> => {
    started += 1;
    await turns(1);
    return started;
  };
  t.same(await Promise.all([coalescer.run("a", work), coalescer.run("a", work), coalescer.run("b", work)]), [2, 2, 2]);
  t.equal(coalescer.size, 0);
  t.equal(await coalescer.run("a", work), 3);
});

void t.test("a failure is everybody's, and is not remembered", async (t) => {
  const coalescer = new Coalescer<number>();
  const fail = async (): Promise<number> => {
    await turns(1);
    throw new Error("no");
  };
  const asked = [coalescer.run("a", fail), coalescer.run("a", fail)];
  for (const result of asked) await t.rejects(result, { message: "no" });
  t.equal(await coalescer.run("a", async () => 1), 1);
  await t.rejects(
    coalescer.run("a", () => {
      throw new Error("at once");
    }),
    { message: "at once" },
  );
  t.equal(coalescer.size, 0);
});

void t.test("who aborts leaves the work to the others; it is aborted when nobody is left", async (t) => {
  const coalescer = new Coalescer<string>();
  const gate = Promise.withResolvers<string>();
  const signals: AbortSignal[] = [];
  const work = (signal: AbortSignal): Promise<string> => {
    signals.push(signal);
    return gate.promise;
  };
  const [one, other] = [new AbortController(), new AbortController()];
  const first = coalescer.run("a", work, one.signal);
  const second = coalescer.run("a", work, other.signal);
  one.abort();
  await t.rejects(first, { code: "CANCELLED" });
  t.notOk(signals[0]?.aborted);
  other.abort();
  await t.rejects(second, { code: "CANCELLED" });
  t.ok(signals[0]?.aborted);
  await t.rejects(coalescer.run("a", work, AbortSignal.abort()), { code: "CANCELLED" });
  t.equal(signals.length, 1);
  const third = coalescer.run("a", work);
  t.equal(signals.length, 2, "the next one starts anew");
  gate.resolve("done");
  t.equal(await third, "done");
});

void t.test("work that fails after everybody left is nobody's unhandled rejection", async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const coalescer = new Coalescer<string>();
  const controller = new AbortController();
  const gate = Promise.withResolvers<string>();
  const asked = coalescer.run("a", () => gate.promise, controller.signal);
  controller.abort();
  await t.rejects(asked, { code: "CANCELLED" });
  gate.reject(new Error("late"));
  await turns();
  t.same(unhandled, []);
  process.off("unhandledRejection", note);
});
