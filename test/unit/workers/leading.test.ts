import t from "tap";
import { LeaderBoard, sharedLeaders } from "../../../src/workers/leading.ts";

const answered = { value: undefined };

/** What a follower was told, once it was. */
function follower(board: LeaderBoard<string>): { told: unknown } {
  const seen: { told: unknown } = { told: "nothing yet" };
  void board.follow("question").then((settled) => (seen.told = settled));
  return seen;
}

t.test("who asks what nobody leads is told so at once", async (t) => {
  const board = new LeaderBoard<string>();
  t.equal(await board.follow("question"), undefined);
});

t.test("of two that are about to lead, the one that does not says nothing of the other's answer", async (t) => {
  const board = new LeaderBoard<string>();
  board.take("first", "question");
  board.take("second", "question");
  const before = follower(board);
  board.settle("first", "question", undefined);
  const after = follower(board);
  await new Promise(setImmediate);
  t.same([before.told, after.told], ["nothing yet", "nothing yet"], "the second may lead");
  board.settle("second", "question", answered);
  await new Promise(setImmediate);
  t.same([before.told, after.told], [answered, answered]);
  t.equal(await board.follow("question"), undefined);
});

t.test("an answer is everybody's, whoever is still about to lead", async (t) => {
  const board = new LeaderBoard<string>();
  board.take("first", "question");
  board.take("second", "question");
  const asking = follower(board);
  board.settle("first", "question", answered);
  board.settle("second", "question", undefined);
  await new Promise(setImmediate);
  t.equal(asking.told, answered);
});

t.test("nobody waits for workers that have ended", async (t) => {
  const board = new LeaderBoard<string>();
  for (const worker of ["first", "second"]) board.take(worker, "question");
  const asking = follower(board);
  board.died("first");
  await new Promise(setImmediate);
  t.equal(asking.told, "nothing yet");
  board.died("second");
  await new Promise(setImmediate);
  t.equal(asking.told, undefined);
  board.settle("second", "question", answered);
  t.equal(await board.follow("question"), undefined);
});

t.test("who asks what a flight's head will answer waits for it, unless its leader is gone", async (t) => {
  const board = new LeaderBoard<number>();
  const end = (worker: number) =>
    sharedLeaders({
      take: (key) => board.take(worker, key),
      settle: (key, settled) => board.settle(worker, key, settled),
      follow: (key) => board.follow(key),
    });
  const [one, other] = [end(1), end(2)];
  t.equal(await other.follow("question"), "none");
  const head = Promise.withResolvers<void>();
  one.turn("question").began(head.promise);
  other.turn("question").passed();
  const answered = other.follow("question");
  head.resolve();
  t.equal(await answered, "answered");
  const failing = Promise.withResolvers<void>();
  one.turn("question").began(failing.promise);
  const refused = other.follow("question");
  failing.reject(new Error("refused"));
  await t.rejects(refused, { message: "refused" });
  one.turn("question");
  const left = other.follow("question");
  board.died(1);
  t.equal(await left, "none");
});
