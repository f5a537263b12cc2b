import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import t from "tap";
import { lives, spaceOf, startOf } from "../../../src/cache/process.ts";

t.test("a process runs until it has ended, waited for or not", async (t) => {
  // The shell waits for nobody: what it started has ended, and keeps its number.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(shell, "exit");
  t.teardown(() => shell.kill("SIGKILL"));
  const [line] = (await once(createInterface(shell.stdout), "line")) as [string];
  const pid = Number(line);
  const started = await startOf(pid);
  t.ok(await lives(pid));
  t.ok(await lives(pid, started));
  t.notOk(await lives(pid, "of an earlier boot"), "another one that has its number");
  process.kill(pid, "SIGKILL");
  while (await lives(pid)) await new Promise(setImmediate);
  t.notOk(await lives(pid, started));
  t.doesNotThrow(() => process.kill(pid, 0), "its number is still taken");
  shell.kill("SIGKILL");
  await exit;
  t.notOk(await lives(shell.pid ?? 0));
});

t.test("of this process", async (t) => {
  t.ok(await lives(process.pid, await startOf(process.pid)));
  t.equal(await spaceOf(), await spaceOf());
});
