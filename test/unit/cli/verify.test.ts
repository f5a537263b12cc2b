import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { openDiskStore } from "../../../src/cache/disk.ts";
import { contentPath } from "../../../src/cache/layout.ts";
import { lockDirectory } from "../../../src/cache/lock.ts";
import { run } from "../../../src/cli/run.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { recordingLog } from "../cache/log.ts";
import { recordedIo } from "./recorder.ts";

async function verify(directory: string): Promise<{ code: number; out: string; err: string }> {
  const io = recordedIo();
  const code = await run({ argv: ["verify", "--cache-dir", directory], env: {}, io });
  return { code, out: io.stdout.text, err: io.stderr.text };
}

t.test("all is read back, what has rotted is dropped and named, also under a proxy that runs", async (t) => {
  const directory = t.testdir();
  const lock = await lockDirectory({ directory });
  const store = await openDiskStore({ directory, clock: { now: Date.now }, log: recordingLog().log });
  const blobs = [randomBytes(2_500_000), randomBytes(10), randomBytes(300_000)] as const;
  for (const blob of blobs) await store.put(digestOf(blob), blob);
  const before = readdirSync(directory);
  const clean = await verify(directory);
  t.match(clean, { code: 0, err: "" });
  t.match(clean.out, /^3 blobs and manifests \(2\.67MiB\) read, 0 rotten\.\n$/);
  t.same(readdirSync(directory), before, "it leaves nothing behind");

  const path = contentPath(directory, digestOf(blobs[0]));
  const bytes = readFileSync(path);
  bytes[2_499_999] = (bytes[2_499_999] ?? 0) ^ 128;
  writeFileSync(path, bytes);
  const rotten = await verify(directory);
  t.equal(rotten.code, 1);
  t.match(rotten.out, `rotten  ${digestOf(blobs[0])} (2.38MiB), dropped\n3 blobs and manifests`);
  t.notOk(existsSync(path));
  t.equal((await verify(directory)).code, 0);
  t.equal(await store.find(digestOf(blobs[0])), undefined, "the proxy notices");
  lock.release();
});

t.test("a directory that is not there is no clean cache", async (t) => {
  const { code, err } = await verify(join(t.testdir(), "none"));
  t.equal(code, 2);
  t.match(err, /CACHE_DIR: there is no directory/);
});

t.test("a stop ends it, and it says that it is not done", async (t) => {
  const directory = t.testdir();
  const store = await openDiskStore({ directory, clock: { now: Date.now }, log: recordingLog().log });
  const blob = randomBytes(3_000_000);
  await store.put(digestOf(blob), blob);
  const io = {
    ...recordedIo(),
    signals: { onStop: (tell: (how: "drain") => void) => tell("drain"), onReload: () => undefined },
  };
  t.equal(await run({ argv: ["verify", "--cache-dir", directory], env: {}, io }), 1);
  t.match(io.stdout.text, /^Stopped\. 0 blobs/);
});
