import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";

const main = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));

async function entrepot(
  argv: string[],
  env: Record<string, string>,
): Promise<{ code: unknown; out: string; err: string }> {
  const child = spawn(process.execPath, [main, ...argv], { env, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit(child)]);
  return { code, out, err };
}

function exit(child: ReturnType<typeof spawn>): Promise<unknown[]> {
  return once(child, "exit");
}

t.test("the program passes arguments, environment and exit code", async (t) => {
  const good = await entrepot(["config", "--port=1"], { CACHE_MAX_SIZE: "2g" });
  t.equal(good.code, 0);
  t.match(good.out, /^PORT +flag +1$/m);
  t.match(good.out, /^CACHE_MAX_SIZE +environment +2g$/m);
  t.equal(good.err, "");
  const bad = await entrepot(["config"], { CACHE_MAX_SIZE: "x" });
  t.equal(bad.code, 2);
  t.equal(bad.out, "");
  t.match(bad.err, /^entrepot: CACHE_MAX_SIZE: "x"/);
});

t.test("a reader that goes away is no failure", async (t) => {
  const child = spawn(process.execPath, [main, "help"], { env: {}, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  const [err, [code]] = await Promise.all([text(child.stderr), exit(child)]);
  t.equal(err, "");
  t.equal(code, 0);
});

t.test("what was compiled is kept beside the program, where that can be", async (t) => {
  const stage = t.testdir({ usual: {}, full: { node_modules: "no directory" } });
  const runIn = async (name: string): Promise<unknown[]> => {
    const directory = join(stage, name);
    cpSync(join(main, ".."), join(directory, "src"), { recursive: true });
    writeFileSync(join(directory, "package.json"), '{"type":"module","version":"1.2.3"}');
    // Without what the test runner would have it load, which measures coverage, and then nothing is kept.
    const args = ["-i", process.execPath, join(directory, "src/main.ts"), "version"];
    const child = spawn("env", args, { stdio: ["ignore", "pipe", "pipe"] });
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit(child)]);
    return [out, err, code];
  };
  const answer = [`entrepot 1.2.3 (node ${process.versions.node})\n`, "", 0];
  t.same(await runIn("usual"), answer);
  const kept = join(stage, "usual/node_modules/.cache/entrepot");
  const [version = ""] = readdirSync(kept);
  t.ok(readdirSync(join(kept, version)).length > 0);
  t.same(await runIn("usual"), answer, "with it");
  t.same(await runIn("full"), answer, "where it cannot be");
});
