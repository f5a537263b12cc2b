import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { lockDirectory, lockName } from "../../../src/cache/lock.ts";

t.test("one instance at a time, and the other is named", async (t) => {
  const directory = join(t.testdir(), "cache");
  const lock = await lockDirectory({ directory, instance: "a" });
  await t.rejects(lockDirectory({ directory }), {
    code: "CONFIG_INVALID",
    message: new RegExp(`CACHE_DIR.*process ${process.pid}\\b`),
  });
  lock.release();
  lock.release();
  t.same(readdirSync(directory), []);
  (await lockDirectory({ directory, instance: "b" })).release();
});

t.test("a later worker of an instance that has it is let in, and leaves it where it is", async (t) => {
  const first = JSON.stringify({ pid: process.ppid, instance: "a" });
  const directory = t.testdir({ [lockName]: first });
  const worker = await lockDirectory({ directory, instance: "a" });
  await worker.renew();
  worker.release();
  t.equal(readFileSync(join(directory, lockName), "utf8"), first);
  await t.rejects(lockDirectory({ directory, instance: "b" }), { message: new RegExp(`process ${process.ppid}\\b`) });
});

t.test("another process that lives keeps it, one that is dead does not", async (t) => {
  const directory = t.testdir();
  const module = join(import.meta.dirname, "../../../src/cache/lock.ts");
  const script = `const { lockDirectory } = await import(${JSON.stringify(module)});
    await lockDirectory({ directory: ${JSON.stringify(directory)} });
    process.stdout.write("locked"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  await t.rejects(lockDirectory({ directory }), { message: new RegExp(`process ${child.pid}\\b`) });
  child.kill("SIGKILL");
  await once(child, "exit");
  (await lockDirectory({ directory })).release();
  t.same(readdirSync(directory), []);
});

t.test("a number that was given to another process, and what is no lock at all, bind nobody", async (t) => {
  const directory = t.testdir();
  const path = join(directory, lockName);
  for (const text of [JSON.stringify({ pid: process.pid, started: "earlier", instance: "x" }), "", "{", "null", "[]"]) {
    writeFileSync(path, text);
    const lock = await lockDirectory({ directory });
    t.match(JSON.parse(readFileSync(path, "utf8")), { pid: process.pid });
    lock.release();
  }
  writeFileSync(path, JSON.stringify({ pid: process.pid, instance: "x" }));
  await t.rejects(
    lockDirectory({ directory }),
    { code: "CONFIG_INVALID" },
    "where no start is known, the number counts",
  );
});

t.test("of many at once, one has it", async (t) => {
  const directory = t.testdir({ [lockName]: JSON.stringify({ pid: 4_194_305, instance: "dead" }) });
  const taken = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory({ directory })));
  t.equal(taken.filter(({ status }) => status === "fulfilled").length, 1);
  t.same(readdirSync(directory), [lockName]);
});

t.test("a directory that is wiped is locked again; one that cannot be made is none to lock", async (t) => {
  const directory = t.testdir({ file: "" });
  const lock = await lockDirectory({ directory });
  rmSync(join(directory, lockName));
  await lock.renew();
  t.ok(existsSync(join(directory, lockName)));
  rmSync(join(directory, lockName));
  const other = await lockDirectory({ directory });
  await lock.renew();
  lock.release();
  t.ok(existsSync(join(directory, lockName)), "what is another's stays");
  other.release();
  const none = await lockDirectory({ directory: join(directory, "file", "cache") });
  await none.renew();
  none.release();
  t.same(readdirSync(directory), ["file"]);
});
