import t from "tap";
import { readFlags } from "../../../src/config/flags.ts";

function values(...argv: string[]): Record<string, unknown> {
  return Object.fromEntries([...readFlags(argv).given].map(([name, { value }]) => [name, value]));
}

t.test("the ways to write a flag", async (t) => {
  t.same(values("--cache-dir", "a"), { cacheDir: "a" });
  t.same(values("--cache-dir=a"), { cacheDir: "a" });
  t.same(values("--cache-dir=-a"), { cacheDir: "-a" });
  t.same(values("--port", "1", "--port=2 3"), { port: ["1", "2", "3"] });
  t.same(values("--debug"), { debug: "true" });
  t.same(values("--debug=false"), { debug: "false" });
  t.same(values("--no-debug"), { debug: "false" });
  t.same(values("--no-proxy", "a,b"), { noProxy: "a,b" }, "a name of its own, not a negation");
});

t.test("problems", async (t) => {
  const cases: [string[], RegExp][] = [
    [["--nonsense-of-all-kinds"], /^--nonsense-of-all-kinds: there is no such option; --help lists them all$/],
    [["--registry", "a"], /did you mean --registries\?/],
    [["-x"], /^-x: there is no such option/],
    [["--upstreams", "a"], /^--upstreams: there is no such option/],
    [["--no-cache-dir"], /^--no-cache-dir: there is no such option/],
    [["--no-debug=1"], /^--no-debug: it takes no value/],
    [["--cache-dir"], /^--cache-dir: its value is missing; it may be a path/],
    [["--cache-dir", "--debug"], /^--cache-dir: its value is missing/],
    [["--cache-dir=a", "--cache-dir=b"], /^--cache-dir: it is given more than once/],
    [["--debug", "--no-debug"], /^--no-debug: it is given more than once/],
  ];
  for (const [argv, problem] of cases) t.match(readFlags(argv).problems, [problem], argv.join(" "));
  t.equal(readFlags(["--a", "x", "--b", "y"]).problems.length, 2, "all at once");
});

t.test("words, help and version", async (t) => {
  t.same(readFlags(["ca", "--debug", "show"]).words, [
    { text: "ca", index: 0 },
    { text: "show", index: 2 },
  ]);
  t.same(readFlags(["--nonsense", "hunter2"]).words, [], "the value of a misspelt flag is no word");
  t.same(readFlags(["--", "--debug"]).words, [{ text: "--debug", index: 1 }]);
  for (const flag of ["--help", "-h"]) t.equal(readFlags([flag]).help, true);
  for (const flag of ["--version", "-V"]) t.equal(readFlags([flag]).version, true);
});
