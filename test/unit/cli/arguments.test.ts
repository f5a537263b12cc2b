import t from "tap";
import { parseArguments } from "../../../src/cli/arguments.ts";

t.test("commands among flags", async (t) => {
  const cases: [string[], string, string[]][] = [
    [[], "start", []],
    [["start"], "start", []],
    [["--port", "1"], "start", ["--port", "1"]],
    [["config", "--port", "1"], "config", ["--port", "1"]],
    [["--port", "1", "config"], "config", ["--port", "1"]],
    [["--port", "config"], "start", ["--port", "config"]],
    [["--debug", "ca", "show", "--ca-dir=x"], "ca show", ["--debug", "--ca-dir=x"]],
    [["start", "extra"], "start", ["extra"]],
    [["help"], "help", []],
    [["config", "--help"], "help", []],
    [["-h", "--nonsense"], "help", []],
    [["--version"], "version", []],
    [["-V"], "version", []],
  ];
  for (const [argv, command, flags] of cases) {
    const found = parseArguments(argv);
    t.equal(found.command, command, argv.join(" "));
    if (command !== "help" && command !== "version") t.same(found.flags, flags, argv.join(" "));
  }
});

t.test("a command that is none", async (t) => {
  const cases: [string, RegExp][] = [
    ["confg", /^confg: there is no such command; did you mean config\?$/],
    ["ca", /^ca: there is no such command; did you mean ca show\?$/],
    ["frobnicate", /it may be start, config, ca show, verify, gc, help, version$/],
    // What may be secret is not repeated.
    ["b:user:hunter2", /^there is no such command/],
  ];
  for (const [word, message] of cases)
    t.throws(() => parseArguments([word]), { code: "CONFIG_INVALID", message }, word);
});
