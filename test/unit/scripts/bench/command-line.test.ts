import t from "tap";
import { type Order, readCommandLine } from "../../../../scripts/bench/command-line.ts";

function order(...args: string[]): Order {
  const read = readCommandLine(args);
  if (typeof read === "string") throw new Error(read);
  return read;
}

t.test("a run of everything keeps its report, a partial one does not", (t) => {
  t.equal(order().out, "bench/RESULTS.md");
  t.equal(order("--growth").out, "bench/GROWTH.md");
  t.equal(order("--quick").out, undefined);
  t.equal(order("--cases", "tunnel").out, undefined);
  t.equal(order("--contenders", "entrepot").out, undefined);
  t.equal(order("--quick", "--out", "x.md").out, "x.md");
  t.end();
});

t.test("cases and contenders are those that were named, and what is unknown is said", (t) => {
  const { cases, contenders } = order("--cases", "tunnel,ranges", "--contenders", "nginx,entrepot");
  t.strictSame(
    cases.map(({ name }) => name),
    ["ranges", "tunnel"],
  );
  t.strictSame(contenders, ["entrepot", "nginx"]);
  t.throws(() => order("--cases", "tunel"), /--cases: tunel is none of warm-blob-1, /);
  t.throws(() => order("--contenders", "varnish"), /varnish is none of entrepot, /);
  t.throws(() => order("--rounds", "0"), /--rounds 0/);
  t.equal(order("--minutes", "1.5").plan.roundsEnd, 90);
  for (const none of ["0", "soon"]) t.throws(() => order("--minutes", none), `--minutes ${none}: a number above 0.`);
  t.throws(() => order("--fast"), /--fast/);
  t.end();
});

t.test("a quick run takes few contenders unless it is told which", (t) => {
  t.strictSame(order("--quick").contenders, ["entrepot", "nginx", "direct"]);
  t.strictSame(order("--quick", "--contenders", "squid").contenders, ["squid"]);
  t.ok(order().contenders.length > 5);
  t.end();
});

t.test("growth has series for cases", (t) => {
  const { cases } = order("--growth", "--cases", "size");
  t.ok(cases.length > 1);
  t.ok(cases.every(({ point }) => point?.series === "size"));
  t.end();
});

t.test("who takes no part in a case stands there with the reason, and nobody is forgotten", (t) => {
  const { cases, contenders } = order();
  for (const each of cases) {
    for (const name of contenders) {
      if (name === "direct" || each.contenders.includes(name)) continue;
      if (/^warm-blob-(?:1|16)$/.test(each.name)) continue; // two numbers of clients that only Entrepot and nginx are asked for
      t.ok(
        each.without[name] ?? (name === "entrepot-2" && each.contenders.includes("entrepot")),
        `${each.name}: ${name}`,
      );
    }
  }
  t.end();
});

t.test("--help says what there is", (t) => {
  t.match(readCommandLine(["--help"]), /--growth/);
  t.end();
});
