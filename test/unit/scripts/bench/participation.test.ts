import t from "tap";
import { readCommandLine } from "../../../../scripts/bench/command-line.ts";
import { Durations, takesPart } from "../../../../scripts/bench/participation.ts";

const read = readCommandLine(["--rounds", "4"]);
if (typeof read === "string") throw new Error(read);
const { plan, cases } = read;
const named = (name: string) => {
  const found = cases.find((each) => each.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

t.test("those that a target is about take part in every round, the others in the first ones", (t) => {
  const [warm, pull] = [named("warm-blob-4"), named("hosted-pull")];
  for (const name of ["entrepot", "entrepot-2", "nginx", "direct"] as const) t.ok(takesPart(plan, warm, name, 4), name);
  for (const round of [0, 1, 2]) t.ok(takesPart(plan, warm, "squid", round));
  t.notOk(takesPart(plan, warm, "squid", 3));
  t.notOk(takesPart(plan, warm, "registry", 3));
  t.ok(takesPart(plan, pull, "registry", 4), "the yardstick there");
  t.notOk(takesPart(plan, { ...warm, rounds: 1 }, "entrepot", 2), "enough of this case");
  t.notOk(takesPart(plan, warm, "entrepot", 5));
  t.end();
});

t.test("a round is expected to take as long as the longest that had the same turns", (t) => {
  const durations = new Durations(plan);
  const warm = named("warm-blob-4");
  t.equal(durations.expected(1), 0);
  durations.note(0, { case: warm, name: "entrepot", milliseconds: 1000 });
  t.equal(durations.expected(1), 0, "a warm-up is something else");
  for (const [round, own] of [30, 20].entries()) {
    durations.note(round + 1, { case: warm, name: "entrepot", milliseconds: own });
    durations.note(round + 1, { case: warm, name: "squid", milliseconds: 500 });
  }
  t.equal(durations.expected(2), 530);
  t.equal(durations.expected(3), 30);
  t.end();
});
