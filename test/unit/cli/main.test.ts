import { spawn } from "node:child_process";
import { once } from "node:events";
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
