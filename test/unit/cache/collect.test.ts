import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { createCollector } from "../../../src/cache/collect.ts";
import { indexPath } from "../../../src/cache/layout.ts";
import { openRecords } from "../../../src/cache/records.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { recordingLog } from "./log.ts";

const { log } = recordingLog();

void t.test("records whose content is gone are dropped, others and young ones stay", async (t) => {
  const directory = t.testdir();
  let now = Date.now();
  const clock = { now: () => now };
  const records = openRecords({ directory, clock, log });
  const store = new MemoryStore();
  const [held, gone, flying] = ["held", "gone", "flying"].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];
  store.hold(digestOf(held), held);
  for (const bytes of [held, gone, flying]) {
    await records.put(`key of ${bytes.toString()}`, { digest: digestOf(bytes), mediaType: "a/b", size: 1, checked: 1 });
  }
  const collector = createCollector({
    directory,
    records,
    store,
    clock,
    log,
    isFlying: (digest) => digest === digestOf(flying),
    timers: { every: () => () => undefined },
  });
  t.equal(await collector.sweep(), 0);
  now += 7_200_000;
  await writeFile(indexPath(directory, "key of gone").replace(/.$/, "~"), "rubbish");
  t.same(await Promise.all([collector.sweep(), collector.sweep()]), [2, 2], "one sweep at a time");
  t.equal(await records.get("key of gone"), undefined);
  const fresh = openRecords({ directory, clock, log });
  t.equal(await fresh.get("key of gone"), undefined);
  t.ok(await fresh.get("key of held"));
  t.ok(await fresh.get("key of flying"));
  const files = (await readdir(join(directory, "index-v5"), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  t.equal(files.length, 2);
  collector.stop();
  t.equal(await collector.sweep(), 0);
});
