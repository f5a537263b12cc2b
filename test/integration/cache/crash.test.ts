import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { conditionOf } from "../../../src/cache/check.ts";
import { openDiskStore } from "../../../src/cache/disk.ts";
import { spoolDirectory } from "../../../src/cache/layout.ts";
import { lockDirectory } from "../../../src/cache/lock.ts";
import { openRecords } from "../../../src/cache/records.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { parseDigest } from "../../../src/core/digest.ts";
import { createLog } from "../../../src/observe/log.ts";
import { randomOf } from "../../fixtures/random.ts";

/** Directories, at the same time. */
const lanes = 2;
const rounds = 12;
/** Blobs that it has kept when it is killed, at the most; and milliseconds after that, so that it dies in the middle of others. */
const mostKept = 6;
const longestAfter = 20;
const seed = process.env["CRASH_SEED"] ?? String(Date.now());
const log = createLog({ level: "silent", format: "json" });
const clock = systemClock;
const signal = new AbortController().signal;

/** Fills until it is killed, so many milliseconds after it kept so many blobs; gives what it said to have kept. */
async function fillAndKill(directory: string, least: number, after: number, round: string): Promise<string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "crash-driver.ts"), directory, round], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const enough = Promise.withResolvers<void>();
  // Its first line says that it is ready.
  const reader = createInterface(child.stdout).on("line", (line) => {
    if (line !== "ready") lines.push(line);
    if (lines.length >= least) enough.resolve();
  });
  const exit = once(child, "exit");
  await Promise.race([enough.promise, exit]);
  await delay(after);
  child.kill("SIGKILL");
  await Promise.all([once(reader, "close"), exit]);
  if (child.signalCode !== "SIGKILL") throw new Error("It ended before it was killed.");
  return lines;
}

t.comment(`CRASH_SEED=${seed}`);

async function live(t: Test, directory: string, lane: number): Promise<void> {
  mkdirSync(directory);
  const random = randomOf(`${seed}/${lane}`);
  const buffer = Buffer.allocUnsafe(256 * 1024);
  const kept: string[] = [];
  const seen = new Set<string>();
  let planned = 0;
  for (let round = 0; round < rounds; round += 1) {
    const least = Math.floor(random() * mostKept);
    const after = Math.floor(random() * longestAfter);
    planned += least;
    kept.push(...(await fillAndKill(directory, least, after, `${seed}/${lane}/${round}`)));
    const lock = await lockDirectory({ directory });
    const store = await openDiskStore({ directory, clock, log });
    t.same(readdirSync(spoolDirectory(directory)), [], "no spool");
    for await (const { digest } of store.list(signal)) {
      if (seen.has(digest)) continue;
      t.equal(await conditionOf(directory, digest, buffer, signal), "whole");
      seen.add(digest);
    }
    const records = openRecords({ directory, clock, log });
    const lost: string[] = [];
    for (const text of kept) {
      const digest = parseDigest(text);
      const record = await records.get(`blob|registry.test|${text}`);
      if (digest === undefined || record?.digest !== digest || (await store.stat(digest))?.size !== record.size)
        lost.push(text);
    }
    t.same(lost, [], `round ${round}, killed ${after} ms after ${least} blobs`);
    lock.release();
  }
  t.ok(kept.length >= planned, `${kept.length} blobs were kept`);
  t.ok(
    readdirSync(directory).every((name) => ["content-v2", "index-v5", "tmp"].includes(name)),
    readdirSync(directory).join(),
  );
}

t.test(
  `killed at ${lanes * rounds} random moments: what is there is right, what was kept is there, nothing is left over`,
  async (t) => {
    const root = t.testdir();
    await Promise.all(Array.from({ length: lanes }, (_, lane) => live(t, join(root, String(lane)), lane)));
  },
);
