import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { run } from "../../../src/cli/run.ts";
import { recordedIo } from "./recorder.ts";

async function entrepot(
  argv: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const io = recordedIo();
  const code = await run({ argv, env, io });
  return { code, out: io.stdout.text, err: io.stderr.text };
}

t.test("version", async (t) => {
  const content: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  const { code, out } = await entrepot(["--version"]);
  t.equal(code, 0);
  t.match(content, { version: out.split(" ")[1] });
});

t.test("help works whatever else is wrong", async (t) => {
  const { code, out, err } = await entrepot(["--help", "--nonsense"], { PORT: "nonsense" });
  t.equal(code, 0);
  t.match(out, /^Usage: entrepot/);
  t.equal(err, "");
});

t.test("config prints every value and where it came from, and no secret", async (t) => {
  const file = join(t.testdir({ "e.yaml": "cacheMaxSize: 1g\n" }), "e.yaml");
  const env = {
    CONFIG: file,
    AUTH_REGISTRIES: "a.test:u:hunter2 b.test:5000:v:hunter2",
    https_proxy: "http://x:hunter2@p.test",
  };
  const { code, out, err } = await entrepot(["config", "--port", "1"], env);
  t.equal(code, 0);
  t.equal(err, "");
  t.match(out, /^PORT +flag +1$/m);
  t.match(out, /^CACHE_MAX_SIZE +file +1g$/m);
  t.match(out, /^CACHE_INACTIVE +default +60d$/m);
  t.match(out, /^AUTH_REGISTRIES +environment +a\.test:u:\*\*\* b\.test:5000:v:\*\*\*$/m);
  t.match(out, /^HTTPS_PROXY +environment +http:\/\/\*\*\*@p\.test$/m);
  t.match(out, /^upstreams +default +none$/m);
  t.match(out, /^# What the fronts answer\nmirror +any host +mirror of registry-1\.docker\.io, /m);
  t.notMatch(out, /hunter2/);
});

t.test("what is wrong goes to stderr, a line each, and the exit code says so", async (t) => {
  const env = { PORT: "x", HTTPS_PROXY: "hunter2" };
  const { code, out, err } = await entrepot(["config", "--nonsense-of-a-flag"], env);
  t.equal(code, 2);
  t.equal(out, "");
  t.match(err.split("\n"), [
    /^entrepot: --nonsense-of-a-flag: /,
    /^entrepot: PORT: "x"/,
    /^entrepot: HTTPS_PROXY: its value \(not shown\)/,
    "",
  ]);
  t.equal((await entrepot(["confg"])).code, 2);
});

t.test("ca show fails where there is no CA", async (t) => {
  const { code } = await entrepot(["ca", "show"], { CA_DIR: join(t.testdir({}), "ca") });
  t.equal(code, 1);
});
