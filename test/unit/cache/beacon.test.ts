import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { clearBeacons, isLit, raiseBeacon } from "../../../src/cache/beacon.ts";
import { lockDirectory, lockName } from "../../../src/cache/lock.ts";

/** A short path: that of a socket has 108 bytes at most. */
function folder(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), "lock-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const cannotUnshare = process.getuid?.() === 0 ? false : "only root can make a namespace of processes";
const module = join(import.meta.dirname, "../../../src/cache/lock.ts");

t.test("a beacon is lit as long as its process lives", async (t) => {
  const directory = folder(t);
  const beacon = await raiseBeacon(directory);
  if (beacon === undefined) throw new Error("No beacon.");
  t.equal(await isLit(directory, beacon.name), true);
  await clearBeacons(directory);
  t.same(readdirSync(directory), [beacon.name]);
  beacon.close();
  t.same(readdirSync(directory), [], "and leaves nothing");
  t.equal(await isLit(directory, beacon.name), false);
});

t.test("what is no beacon is not asked, and not cleared away", async (t) => {
  const directory = folder(t);
  for (const name of ["../x.sock", "entrepot-0.sock", "entrepot-0123456789ab.sock"])
    t.notOk(await isLit(directory, name));
  for (const name of ["other.sock", "entrepot-0123456789ab.sock"]) writeFileSync(join(directory, name), "");
  await clearBeacons(directory);
  t.same(readdirSync(directory), ["other.sock"]);
  t.equal(await raiseBeacon(join(directory, "x".repeat(100))), undefined, "too long for a socket");
  t.equal(await raiseBeacon(join(directory, "other.sock")), undefined, "no directory");
});

t.test("a holder whose number means nothing here is believed where its beacon is lit", async (t) => {
  const directory = folder(t);
  const beacon = await raiseBeacon(directory);
  const far = { pid: 1, started: "then", instance: "x", space: "another", host: "f00d", beacon: beacon?.name };
  writeFileSync(join(directory, lockName), JSON.stringify(far));
  await t.rejects(lockDirectory({ directory }), {
    code: "CONFIG_INVALID",
    message: /process 1 of f00d, which is another/,
  });
  beacon?.close();
  const lock = await lockDirectory({ directory });
  await lock.renew();
  t.equal(readdirSync(directory).length, 2);
  lock.release();
  t.same(readdirSync(directory), []);
  for (const dead of [
    { ...far, beacon: undefined },
    { ...far, pid: process.pid },
    { ...far, beacon: 7 },
  ]) {
    writeFileSync(join(directory, lockName), JSON.stringify(dead));
    (await lockDirectory({ directory })).release();
  }
});

t.test(
  "two containers on one volume: the second is refused, until the first is gone",
  { skip: cannotUnshare },
  async (t) => {
    const directory = folder(t);
    const script = `const { lockDirectory } = await import(${JSON.stringify(module)});
    await lockDirectory({ directory: ${JSON.stringify(directory)}, host: "container-one" });
    process.stdout.write("locked " + process.pid); setInterval(() => {}, 1000);`;
    const command = ["--pid", "--fork", "--kill-child=KILL", "--mount-proc", process.execPath];
    const child = spawn("unshare", [...command, "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.teardown(() => child.kill("SIGKILL"));
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    t.equal(said.toString(), "locked 1");
    await t.rejects(lockDirectory({ directory }), {
      code: "CONFIG_INVALID",
      message: /CACHE_DIR: .* is in use by another proxy, process 1 of container-one, which is another container/,
    });
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
    const lock = await lockDirectory({ directory });
    t.equal(readdirSync(directory).length, 2, "what the dead one left is cleared away");
    lock.release();
    t.same(readdirSync(directory), []);
  },
);
