import t from "tap";
import { whileHere } from "../../../src/serve/while-here.ts";

t.test("who is here gets what a promise comes to", async (t) => {
  const here = new AbortController();
  t.equal(await whileHere(here.signal, Promise.resolve(1)), 1);
  await t.rejects(whileHere(here.signal, Promise.reject(new Error("no"))), { message: "no" });
});

t.test("who has gone, before or while it is waited for, waits for nothing", async (t) => {
  const leaving = new AbortController();
  const { promise } = Promise.withResolvers<never>();
  const waiting = whileHere(leaving.signal, promise);
  leaving.abort();
  await t.rejects(waiting, { code: "CANCELLED" });
  await t.rejects(whileHere(leaving.signal, promise), { code: "CANCELLED" });
  await t.rejects(whileHere(leaving.signal, Promise.reject(new Error("late"))), Error);
});
