import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { openShapes } from "../../../src/serve/shapes.ts";

const shape = { status: 401, challenge: 'Bearer realm="https://auth.test/token"' };
const silent = (): void => undefined;

t.test("a shape survives a restart", async (t) => {
  const path = join(t.testdir(), "state", "shapes.json");
  const shapes = openShapes(path, silent);
  t.equal(await shapes.get("ping|reg.test"), undefined);
  await Promise.all([shapes.put("ping|reg.test", shape), shapes.put("ping|b.test", { status: 200 })]);
  t.same(await shapes.get("ping|reg.test"), shape);
  const again = openShapes(path, silent);
  t.same(await again.get("ping|reg.test"), shape);
  t.same(await again.get("ping|b.test"), { status: 200 });
  t.same(readdirSync(join(path, "..")), ["shapes.json"], "and nothing else is left behind");
  t.equal(statSync(path).mode & 0o077, 0);
});

t.test("so does when it was learned", async (t) => {
  const path = join(t.testdir(), "shapes.json");
  await openShapes(path, silent).put("ping|reg.test", { ...shape, at: 1 });
  await openShapes(path, silent).put("ping|reg.test", { ...shape, at: 2 });
  t.same(await openShapes(path, silent).get("ping|reg.test"), { ...shape, at: 2 });
});

t.test("what does not change is not written", async (t) => {
  const path = join(t.testdir(), "shapes.json");
  const shapes = openShapes(path, silent);
  await shapes.put("ping|reg.test", shape);
  writeFileSync(path, "changed meanwhile");
  await shapes.put("ping|reg.test", { ...shape });
  t.equal(readFileSync(path, "utf8"), "changed meanwhile");
  await shapes.put("ping|reg.test", { status: 200 });
  t.match(readFileSync(path, "utf8"), /200/);
});

t.test("a file that is none counts as empty, and a disk that fails is no reason to forget", async (t) => {
  for (const text of ["", "{", "[1]", '{"a":{"status":"x"}}']) {
    const path = join(t.testdir(), "shapes.json");
    writeFileSync(path, text);
    t.equal(await openShapes(path, silent).get("a"), undefined, text);
  }
  const path = join(t.testdir(), "shapes.json");
  mkdirSync(join(path, "in the way"), { recursive: true });
  const troubles: unknown[] = [];
  const shapes = openShapes(path, (error) => troubles.push(error));
  await shapes.put("a", shape);
  t.same(await shapes.get("a"), shape);
  t.equal(troubles.length, 1);
  t.same(readdirSync(join(path, "..")), ["shapes.json"]);
});
