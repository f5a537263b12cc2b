import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, renameSync, utimesSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t, { type Test } from "tap";
import { lives, startOf } from "../../../src/cache/process.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { holderFile, mark } from "../../../src/hosted/holder.ts";
import { Uploads, type UploadsParts } from "../../../src/hosted/uploads.ts";

const { signal } = new AbortController();
const hour = 3_600_000;

class Clock {
  time = Date.now();
  now(): number {
    return this.time;
  }
}

function uploadsIn(directory: string, parts: Partial<UploadsParts> = {}): Uploads {
  return new Uploads({
    directory,
    clock: new Clock(),
    ttl: hour,
    spaceOf: () => Promise.resolve("here"),
    patience: 0,
    ...parts,
  });
}

/** The one file of the one upload. */
function fileIn(directory: string): string {
  const [folder = ""] = readdirSync(directory);
  return join(directory, folder, ...readdirSync(join(directory, folder)));
}

/** As a process that was killed leaves it. */
function leaveWith(directory: string, pid: number, space = "here", started = "0123456789ab"): void {
  const file = fileIn(directory);
  const holder = { pid, started, space: mark(space), instance: "ba9876543210" };
  renameSync(file, join(file, "..", holderFile(holder)));
}

async function finished(t: Test, uploads: Uploads, session: string, bytes: Buffer): Promise<void> {
  const upload = await uploads.claim("app", session, signal);
  const target = join(t.testdirName, "adopted");
  await upload.finish(digestOf(bytes), (path) => rename(path, target));
  t.ok(readFileSync(target).equals(bytes));
}

t.test("bytes are kept from one claim to the next, by whichever process, and proven in the end", async (t) => {
  const directory = t.testdir({ uploads: {} });
  const [one, other] = [uploadsIn(join(directory, "uploads")), uploadsIn(join(directory, "uploads"))];
  const session = await one.create("app");
  const bytes = randomBytes(90_000);
  for (const [index, uploads] of [one, other, other, one, one, other].entries()) {
    const upload = await uploads.claim("app", session, signal);
    t.equal(upload.size, index * 15_000);
    await upload.append([
      bytes.subarray(index * 15_000, index * 15_000 + 7000),
      bytes.subarray(index * 15_000 + 7000, (index + 1) * 15_000),
    ]);
    await upload.release();
    t.equal(await one.size("app", session), (index + 1) * 15_000);
  }
  await finished(t, one, session, bytes);
  await t.rejects(one.size("app", session), { code: "BLOB_UPLOAD_UNKNOWN" });
});

t.test("of what another process holds nothing is taken while it lives; when it is dead, all of it", async (t) => {
  const directory = t.testdir();
  const [one, other] = [uploadsIn(directory), uploadsIn(directory)];
  const session = await one.create("app");
  const upload = await one.claim("app", session, signal);
  await upload.append([Buffer.from("abc")]);
  await t.rejects(other.claim("app", session, signal), { code: "BLOB_UPLOAD_INVALID", status: 409 });
  t.equal(await other.size("app", session), 3, "its progress can be seen");
  await upload.release();
  leaveWith(directory, process.pid);
  const taken = await other.claim("app", session, signal);
  t.equal(taken.size, 3, "that number is another process's by now");
  await taken.discard();
});

t.test("what a process holds is free from its end, waited for or not", async (t) => {
  // The shell waits for nobody: what it started has ended, and keeps its number.
  const shell = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => shell.kill("SIGKILL"));
  const [line] = (await once(createInterface(shell.stdout), "line")) as [string];
  const pid = Number(line);
  for (const started of [await startOf(pid), undefined]) {
    const directory = t.testdir();
    const uploads = uploadsIn(directory);
    const session = await uploads.create("app");
    leaveWith(directory, pid, "here", mark(started));
    if (started !== undefined) {
      await t.rejects(uploads.claim("app", session, signal), { code: "BLOB_UPLOAD_INVALID", status: 409 });
      process.kill(pid, "SIGKILL");
      while (await lives(pid)) await new Promise(setImmediate);
    }
    await (await uploads.claim("app", session, signal)).discard();
  }
});

t.test("another container's process cannot be seen: it holds an upload as long as bytes come", async (t) => {
  const clock = new Clock();
  const directory = t.testdir();
  const uploads = uploadsIn(directory, { clock });
  const session = await uploads.create("app");
  leaveWith(directory, 2 ** 22 + 1, "there");
  await t.rejects(uploads.claim("app", session, signal), { code: "BLOB_UPLOAD_INVALID", status: 409 });
  clock.time += 11 * 60_000;
  await (await uploads.claim("app", session, signal)).discard();
});

t.test("a request of this process that has it is interrupted, and waited for", async (t) => {
  const uploads = uploadsIn(t.testdir());
  const session = await uploads.create("app");
  const first = await uploads.claim("app", session, signal);
  const second = uploads.claim("app", session, signal);
  await new Promise((resolve) => first.signal.addEventListener("abort", resolve));
  await first.append([Buffer.from("last words")]);
  await first.release();
  t.equal((await second).size, 10);
  await (await second).release();
});

t.test("another digest than it has: refused, and all of it is gone", async (t) => {
  const directory = t.testdir();
  const uploads = uploadsIn(directory);
  for (const algorithm of ["sha256", "sha512"] as const) {
    const session = await uploads.create("app");
    const upload = await uploads.claim("app", session, signal);
    await upload.append([Buffer.from("content")]);
    const adopt = (): Promise<void> => Promise.reject(new Error("It must not get here."));
    await t.rejects(upload.finish(digestOf(Buffer.from("other"), algorithm), adopt), { code: "DIGEST_INVALID" });
    t.same(readdirSync(directory), []);
  }
});

t.test("where it cannot be taken over it is kept", async (t) => {
  const uploads = uploadsIn(t.testdir());
  const session = await uploads.create("app");
  const upload = await uploads.claim("app", session, signal);
  await upload.append([Buffer.from("content")]);
  const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
  await t.rejects(
    upload.finish(digestOf(Buffer.from("content")), () => Promise.reject(full)),
    full,
  );
  t.equal(await uploads.size("app", session), 7);
  await finished(t, uploads, session, Buffer.from("content"));
});

t.test("an upload belongs to its repository, and a session that is a path is that of none", async (t) => {
  const directory = t.testdir();
  const uploads = uploadsIn(directory);
  const session = await uploads.create("app");
  for (const [repository, wrong] of [
    ["other", session],
    ["app", `../${session}`],
    ["app", "../../etc/passwd"],
    ["app", ""],
  ]) {
    await t.rejects(uploads.claim(repository ?? "", wrong ?? "", signal), { code: "BLOB_UPLOAD_UNKNOWN" });
    await t.rejects(uploads.size(repository ?? "", wrong ?? ""), { code: "BLOB_UPLOAD_UNKNOWN" });
  }
  t.equal(await uploads.size("app", session), 0);
});

t.test("those that got no byte for the time that they have are forgotten, but for what somebody holds", async (t) => {
  const clock = new Clock();
  const directory = t.testdir();
  const uploads = uploadsIn(directory, { clock });
  const [idle, busy, held] = [await uploads.create("idle"), await uploads.create("busy"), await uploads.create("held")];
  const upload = await uploads.claim("held", held, signal);
  clock.time += hour - 1000;
  await (await uploads.claim("busy", busy, signal)).release();
  t.equal(await uploads.sweep(signal), 0);
  clock.time += 2000;
  t.equal(await uploads.sweep(signal), 1);
  await t.rejects(uploads.size("idle", idle), { code: "BLOB_UPLOAD_UNKNOWN" });
  t.equal(await uploads.size("busy", busy), 0);
  await upload.release();
  clock.time += 2 * hour;
  t.equal(await uploads.sweep(signal), 2);
  t.same(readdirSync(directory), []);
});

t.test("what dead processes held, and folders without a file, are forgotten in time too", async (t) => {
  const clock = new Clock();
  const directory = t.testdir();
  const uploads = uploadsIn(directory, { clock });
  await uploads.create("app");
  leaveWith(directory, process.pid);
  t.equal(await uploads.sweep(signal), 0, "it may go on");
  clock.time += 2 * hour;
  t.equal(await uploads.sweep(signal), 1);
  const begun = t.testdir({ ["a".repeat(64)]: {}, "not ours": {} });
  utimesSync(join(begun, "a".repeat(64)), 1000, 1000);
  await uploadsIn(begun).sweep(signal);
  t.same(readdirSync(begun), ["not ours"]);
});

t.test("closing interrupts what is being written, and takes nothing new", async (t) => {
  const directory = t.testdir();
  const uploads = uploadsIn(directory);
  const session = await uploads.create("app");
  const upload = await uploads.claim("app", session, signal);
  upload.signal.addEventListener("abort", () => void upload.release());
  await uploads.close();
  t.ok(existsSync(fileIn(directory)) && fileIn(directory).endsWith("/data"));
  await t.rejects(uploads.claim("app", session, signal), { code: "STOPPING" });
});

t.test("who waits for an upload and leaves is let go", async (t) => {
  const directory = t.testdir();
  const [one, other] = [uploadsIn(directory), uploadsIn(directory, { patience: 60_000 })];
  const session = await one.create("app");
  const upload = await one.claim("app", session, signal);
  const leaving = new AbortController();
  const waiting = other.claim("app", session, leaving.signal);
  leaving.abort();
  await t.rejects(waiting, { code: "CANCELLED" });
  await upload.release();
});
