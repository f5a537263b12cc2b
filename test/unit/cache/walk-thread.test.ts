import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { contentPath } from "../../../src/cache/layout.ts";
import { walkContent } from "../../../src/cache/walk.ts";
import { walkInThread } from "../../../src/cache/walk-thread.ts";
import { digestOf } from "../../../src/core/digest.ts";

const modules = new URL("../../../src/cache/", import.meta.url);
const never = new AbortController().signal;

/** More than one part of a walk. */
function fill(directory: string, count = 300): void {
  for (let number = 0; number < count; number += 1) {
    const bytes = Buffer.from(`content ${number}`);
    const path = contentPath(directory, digestOf(bytes, number % 2 === 0 ? "sha256" : "sha512"));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}

void t.test("finds what the walk in this thread finds, in its order", async (t) => {
  const directory = t.testdir();
  const troubles: unknown[] = [];
  const failed = (error: unknown): void => void troubles.push(error);
  t.same(await Array.fromAsync(walkInThread(directory, never, failed)), [], "an empty directory is no trouble");
  fill(directory);
  writeFileSync(join(directory, "content-v2", "sha256", "no content"), "");
  mkdirSync(join(directory, "content-v2", "sha256", "00", "00", "a directory"), { recursive: true });
  const found = await Array.fromAsync(walkInThread(directory, never, failed));
  t.equal(found.length, 300);
  t.same(found, await Array.fromAsync(walkContent(directory, never, failed)));
  t.same(troubles, []);
});

void t.test("tells what it cannot list, and goes on", async (t) => {
  const directory = t.testdir();
  fill(directory, 10);
  const troubles: unknown[] = [];
  // Too long a name for any system.
  const found = await Array.fromAsync(
    walkInThread(join(directory, "x".repeat(5000)), never, (error) => troubles.push(error)),
  );
  t.same(found, []);
  t.match(troubles, [{ code: "ENAMETOOLONG" }, { code: "ENAMETOOLONG" }]);
});

void t.test("ends when it is told to", async (t) => {
  const directory = t.testdir();
  fill(directory);
  const stop = new AbortController();
  const unexpected = (error: unknown): void => void t.fail(String(error));
  let seen = 0;
  for await (const { size } of walkInThread(directory, stop.signal, unexpected)) {
    seen += Math.sign(size);
    if (seen === 10) stop.abort();
  }
  t.equal(seen, 10);
  t.same(await Array.fromAsync(walkInThread(directory, AbortSignal.abort(), unexpected)), []);
});

void t.test("without a thread the walk is done all the same", async (t) => {
  const directory = t.testdir();
  fill(directory, 20);
  const program = `
    import { walkInThread } from ${JSON.stringify(new URL("walk-thread.ts", modules).href)};
    const found = await Array.fromAsync(walkInThread(${JSON.stringify(directory)}, new AbortController().signal, console.error));
    console.log(found.length);`;
  const args = ["--permission", "--allow-fs-read=*", "--input-type=module", "--eval", program];
  // Without what the test runner would have it load, for which it may not have the right either.
  const { stdout } = await promisify(execFile)("env", ["-i", process.execPath, ...args]);
  t.equal(stdout, "20\n");
});
