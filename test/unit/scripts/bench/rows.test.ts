import t from "tap";
import type { Case, Figure } from "../../../../scripts/bench/cases/case.ts";
import type { ContenderName } from "../../../../scripts/bench/contenders/contender.ts";
import type { Sample } from "../../../../scripts/bench/round.ts";
import { summariseFigures } from "../../../../scripts/bench/rows.ts";
import { verdicts } from "../../../../scripts/bench/verdict.ts";
import { sample as sampleOf } from "./sample.ts";

const sample = (contender: ContenderName, round: number, seconds: number): Sample =>
  sampleOf("a", contender, round, { seconds });

function measured(figure: Partial<Figure>): Case {
  const time: Figure = { name: "time", unit: "s", value: (each) => each.seconds, ...figure };
  return {
    name: "a",
    title: "A case",
    role: "cache",
    contenders: ["entrepot", "nginx"],
    without: {},
    yardstick: "nginx",
    content: "kept",
    make: () => ({ items: [], bodies: [] }),
    job: () => ({
      kind: "push",
      target: { way: "plain", port: 1 },
      repository: "",
      bodies: [],
      requests: 0,
      clients: 0,
    }),
    figures: [time],
  };
}

t.test("a ratio is taken within each round, not of the medians", (t) => {
  const samples = [
    sample("entrepot", 1, 1),
    sample("nginx", 1, 2),
    sample("entrepot", 2, 30),
    sample("nginx", 2, 60),
    sample("entrepot", 3, 9),
    sample("nginx", 3, 9),
    sample("entrepot", 4, 7),
  ];
  const [row] = summariseFigures(measured({}), samples);
  t.strictSame(row?.values.get("entrepot"), { median: 8, min: 1, max: 30 });
  t.strictSame(row?.ratio, { median: 0.5, min: 0.5, max: 1 });
  t.end();
});

t.test("samples of another case do not count", (t) => {
  const [row] = summariseFigures(measured({}), [{ ...sample("entrepot", 1, 1), case: "b" }]);
  t.equal(row?.values.size, 0);
  t.equal(row?.ratio, undefined);
  t.end();
});

t.test("a figure may be taken relative to the bare transfer of its round", (t) => {
  const value: Figure["value"] = (each, direct) => direct && each.seconds / direct.seconds;
  const samples = [sample("entrepot", 1, 3), sample("direct", 1, 2), sample("entrepot", 2, 3)];
  const [row] = summariseFigures(measured({ value }), samples);
  t.strictSame(row?.values.get("entrepot"), { median: 1.5, min: 1.5, max: 1.5 });
  t.end();
});

t.test("expectations are of the median, but for an exact one, which is of every round", (t) => {
  const samples = [sample("entrepot", 1, 1), sample("entrepot", 2, 1), sample("entrepot", 3, 5)];
  const kept = (figure: Partial<Figure>): (boolean | undefined)[] =>
    summariseFigures(measured(figure), samples)
      .flatMap(verdicts)
      .map((verdict) => verdict.kept);
  t.strictSame(kept({ own: { atMost: 1 } }), [true]);
  t.strictSame(kept({ own: { atMost: 0.9 } }), [false]);
  t.strictSame(kept({ own: { atLeast: 1 } }), [true]);
  t.strictSame(kept({ own: { exactly: 1 } }), [false]);
  t.strictSame(kept({ target: { atMost: 1 } }), [undefined], "nothing to set it beside");
  t.strictSame(kept({}), []);
  t.end();
});

t.test("two workers are set beside one", (t) => {
  const samples = [sample("entrepot", 1, 2), sample("entrepot-2", 1, 3)];
  const [verdict] = summariseFigures(measured({ workers: { atMost: 1.1 } }), samples).flatMap(verdicts);
  t.equal(verdict?.found?.median, 1.5);
  t.equal(verdict?.kept, false);
  t.end();
});
