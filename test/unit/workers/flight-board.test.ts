import fc from "fast-check";
import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { FlightBoard, type FlightInfo, type FlightNews } from "../../../src/workers/flight-board.ts";
import { BoardModel, head, nothing } from "./board-model.ts";

const digests = ["one", "two"].map((text) => digestOf(Buffer.from(text), "sha256"));
const [first = digestOf(Buffer.from("one"), "sha256")] = digests;

interface Told {
  readonly worker: number;
  readonly number: number;
  readonly news: FlightNews;
}

function boardOf() {
  const clock = { now: () => 0 };
  const told: Told[] = [];
  const takeOvers: { readonly worker: number; readonly flight: FlightInfo }[] = [];
  const followed: { readonly worker: number; readonly by: number }[] = [];
  const orphans: string[] = [];
  const board = new FlightBoard<number>(
    {
      news: (worker, number, _digest, news) => void told.push({ worker, number, news }),
      takeOver: (worker, flight) => void takeOvers.push({ worker, flight }),
      followed: (worker, _number, _digest, by) => void followed.push({ worker, by }),
      orphaned: (path) => void orphans.push(path),
    },
    clock,
    0,
  );
  return { board, told, takeOvers, followed, orphans };
}

function lead(board: FlightBoard<number>, worker: number): number {
  const answer = board.join(worker, first, "origin", undefined);
  if (answer.as !== "lead") throw new Error(`It is to ${answer.as}.`);
  return answer.number;
}

t.test("the first to join leads, whoever comes next follows with what is known by then", (t) => {
  const { board, followed } = boardOf();
  const number = lead(board, 1);
  board.progress(1, number, first, { ...nothing, head, path: "/spool", visible: 10 });
  t.match(board.join(2, first, "other origin", undefined), { as: "follow", flight: { number, visible: 10, head } });
  t.match(board.current(3, first), { number, path: "/spool" });
  t.strictSame(
    followed.map(({ worker, by }) => [worker, by]),
    [
      [1, 1],
      [1, 2],
    ],
    "the leader knows how many",
  );
  t.equal(board.current(1, first), undefined, "who leads has it himself");
  t.end();
});

t.test("a leader that dies is followed by one that follows, from what the spool has", (t) => {
  const { board, takeOvers, told } = boardOf();
  const number = lead(board, 1);
  board.current(2, first);
  board.current(3, first);
  board.progress(1, number, first, { ...nothing, head, path: "/spool", visible: 10 });
  board.died(1);
  t.match(takeOvers, [{ worker: 2, flight: { number, path: "/spool", visible: 10, head } }]);
  board.progress(1, number, first, { ...nothing, visible: 99 });
  board.progress(2, number, first, { ...nothing, head, path: "/spool", visible: 20 });
  t.match(told.at(-1), { worker: 3, news: { type: "progress", visible: 20 } }, "the dead one is not heard any more");
  board.unable(2, number, first);
  t.equal(takeOvers.at(-1)?.worker, 3, "and the next one, where it cannot");
  board.unable(3, number, first);
  t.match(told.slice(-2), [{ news: { type: "failed" } }, { news: { type: "failed" } }]);
  t.equal(board.active, 0);
  t.end();
});

t.test("nobody follows: what the dead one left is cleared away, and the next to ask begins anew", (t) => {
  const { board, orphans } = boardOf();
  const number = lead(board, 1);
  board.progress(1, number, first, { ...nothing, path: "/spool" });
  board.current(2, first);
  board.left(2, number, first);
  board.died(1);
  t.strictSame(orphans, ["/spool"]);
  t.not(lead(board, 2), number);
  t.end();
});

t.test("an upstream that sends what is wrong is not asked at once by another worker", (t) => {
  const { board } = boardOf();
  const error = new EntrepotError("UPSTREAM_WRONG_DIGEST", "Wrong.");
  for (const worker of [1, 2]) {
    const number = lead(board, worker);
    board.ended(worker, number, first, { type: "failed", error, failure: "wrong-digest", most: undefined });
  }
  t.match(board.join(3, first, "origin", undefined), { as: "refused", error: { code: "UPSTREAM_WRONG_DIGEST" } });
  t.match(board.join(3, first, "another", undefined), { as: "lead" });
  t.end();
});

t.test("a leader whose disk is full is joined by nobody, and its followers go on by themselves", (t) => {
  const { board, told } = boardOf();
  const number = lead(board, 1);
  board.current(2, first);
  board.split(1, number, first, new EntrepotError("CACHE_IO", "Full."));
  t.match(told, [{ worker: 2, news: { type: "split" } }]);
  t.equal(board.current(3, first), undefined);
  t.match(board.join(3, first, "origin", undefined), { as: "refused", error: { code: "CACHE_IO" } });
  t.end();
});

const steps = fc.array(
  fc.tuple(
    fc.constantFrom("join", "join", "current", "left", "progress", "land", "fail", "unable", "die"),
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom(...digests),
  ),
  { maxLength: 60 },
);

t.test("whatever workers do and whenever they die: one leader that lives, and nobody waits for ever", (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(steps, (taken) => {
        const model = new BoardModel(digests, 4);
        for (const step of taken) {
          model.act(...step);
          model.check();
        }
      }),
      { numRuns: 500 },
    ),
  );
  t.end();
});
