import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, readdirSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import t, { type Test } from "tap";
import { openDiskStore } from "../../../src/cache/disk.ts";
import { createFlights } from "../../../src/cache/flight.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { recordingLog } from "./log.ts";
import { pullAll } from "./pull.ts";
import { scripted } from "./upstream-script.ts";

/** A shell that sets how many files this process may have open; it runs already, since to start one takes some. */
class Limiter {
  readonly #shell: ChildProcessByStdio<Writable, Readable, null>;

  constructor(t: Test) {
    this.#shell = spawn("sh", { stdio: ["pipe", "pipe", "inherit"] });
    t.teardown(() => this.#shell.kill());
  }

  async set(files: number): Promise<void> {
    const said = once(this.#shell.stdout, "data");
    this.#shell.stdin.write(`prlimit --pid ${process.pid} --nofile=${files}: && echo done\n`);
    await said;
  }
}

/** All files that may still be opened. */
function takeAll(): number[] {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch {
    return taken;
  }
}

t.test("a process that may open no more files serves on, drops nothing, and says so", async (t) => {
  const limiter = new Limiter(t);
  const { log, lines } = recordingLog();
  const store = await openDiskStore({ directory: t.testdir(), clock: { now: Date.now }, log });
  const flights = createFlights({ store, log });
  const [held, fresh] = [randomBytes(2_000_000), randomBytes(3_000_000)];
  await store.put(digestOf(held), held);
  const usual = 4096;
  await limiter.set(usual);
  await limiter.set(readdirSync("/proc/self/fd").length + 10);
  const taken = takeAll();
  const upstream = scripted(fresh, 50_000);
  const { flight } = flights.join(digestOf(fresh), "registry.test", upstream.fetch);
  t.ok(fresh.equals(await pullAll(flight.follow())), "in memory");
  t.equal(await store.find(digestOf(held)), undefined, "it cannot be opened");
  for (const file of taken) closeSync(file);
  await limiter.set(usual);
  const body = await store.find(digestOf(held));
  t.ok(body && held.equals(await pullAll(body)), "and is still there");
  body?.close();
  t.equal(await store.find(digestOf(fresh)), undefined);
  const again = flights.join(digestOf(fresh), "registry.test", upstream.fetch).flight;
  t.ok(fresh.equals(await pullAll(again.follow())));
  await again.done;
  const troubles = lines.map((line) => JSON.parse(line) as { event?: string; code?: string });
  t.match(
    troubles.filter(({ event }) => event === "cache-trouble").map(({ code }) => code),
    ["EMFILE"],
    "one line",
  );
});
