import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openDiskStore } from "../../../src/cache/disk.ts";
import { contentPath } from "../../../src/cache/layout.ts";
import { createScrubber, type Scrubber, type ScrubberOptions, scrubName } from "../../../src/cache/scrub.ts";
import type { WatchedStore } from "../../../src/cache/types.ts";
import { type Digest, digestOf } from "../../../src/core/digest.ts";
import { recordingLog } from "./log.ts";

const day = 86_400_000;

/** Flips one bit of a file. */
function rot(path: string, position: number): void {
  const bytes = readFileSync(path);
  bytes[position] = (bytes[position] ?? 0) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

class Rig {
  readonly directory: string;
  readonly store: WatchedStore;
  readonly log = recordingLog();
  now = 1000 * day;
  /** Milliseconds that it waited, and at which turn it is to stop. */
  readonly pauses: number[] = [];
  /** Looks before each pause; true ends the scrubber there. */
  until: () => boolean = () => false;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(directory: string, store: WatchedStore) {
    this.directory = directory;
    this.store = store;
  }

  static async open(t: Test): Promise<Rig> {
    const directory = t.testdir();
    return new Rig(
      directory,
      await openDiskStore({ directory, clock: { now: () => 1000 * day }, log: recordingLog().log, hotBytes: 0 }),
    );
  }

  async put(size: number): Promise<Digest> {
    const bytes = randomBytes(size);
    await this.store.put(digestOf(bytes), bytes);
    return digestOf(bytes);
  }

  /** Runs one, its pauses taking no time but the clock's, until it is told to end. */
  async run(until: () => boolean, options: Partial<ScrubberOptions> = {}): Promise<Scrubber> {
    const { directory, store } = this;
    const scrubber = createScrubber({
      directory,
      store,
      clock: { now: () => this.now },
      log: this.log.log,
      bytes: () => 0,
      pause: async (milliseconds, signal) => {
        this.pauses.push(milliseconds);
        if (until()) this.#stopped.resolve();
        if (until()) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        this.now += milliseconds;
      },
      ...options,
    });
    await this.#stopped.promise;
    await scrubber.stop();
    return scrubber;
  }
}

t.test("what has rotted is dropped and told of, what has not is left", async (t) => {
  const rig = await Rig.open(t);
  const [whole, flipped, cut, swapped] = [
    await rig.put(700_000),
    await rig.put(700_000),
    await rig.put(700_000),
    await rig.put(700_000),
  ];
  rot(contentPath(rig.directory, flipped), 654_321);
  truncateSync(contentPath(rig.directory, cut), 699_999);
  writeFileSync(contentPath(rig.directory, swapped), readFileSync(contentPath(rig.directory, whole)));
  const scrubber = await rig.run(() => rig.pauses.at(-1) === 3_600_000);
  t.same(
    [whole, flipped, cut, swapped].map((digest) => existsSync(contentPath(rig.directory, digest))),
    [true, false, false, false],
  );
  t.same(scrubber.figures(), { checkedBytes: 2_799_999, rotten: 3 });
  const told = rig.log.lines.filter((line) => line.includes("cache-rotten"));
  t.equal(told.length, 3);
  for (const digest of [flipped, cut, swapped]) t.ok(told.some((line) => line.includes(digest)));
});

t.test("it reads no faster than it may, and no faster than it has to", async (t) => {
  const rig = await Rig.open(t);
  await rig.put(3_000_000);
  await rig.put(3_000_000);
  for (const [bytes, fastest, rate] of [
    [1e15, 1_000_000, 1_000_000],
    [200_000 * 7 * 86_400, 1_000_000, 200_000],
  ] as const) {
    rmSync(join(rig.directory, scrubName), { force: true });
    const other = new Rig(rig.directory, rig.store);
    await other.run(() => other.pauses.at(-1) === 3_600_000, { bytes: () => bytes, fastest });
    const waited = other.pauses.slice(1, -1).reduce((sum, pause) => sum + pause, 0) / 1000;
    t.ok(Math.abs(waited - 6_000_000 / rate) < 700_000 / rate, `${waited} s at ${rate}`);
  }
});

t.test("after a restart it goes on where it was, and a pass that is done is not done again at once", async (t) => {
  const rig = await Rig.open(t);
  const digests: Digest[] = [];
  for (let count = 0; count < 6; count += 1) digests.push(await rig.put(300_000));
  digests.sort();
  let stop = false;
  // Each file of 300,000 bytes costs more than a minute at this rate, so where it was is noted after each.
  const first = await rig.run(() => stop || (stop = rig.pauses.reduce((sum, pause) => sum + pause, 0) > 1_300_000), {
    fastest: 1000,
  });
  const done = Math.floor(first.figures().checkedBytes / 300_000);
  t.ok(done > 1 && done < 6, `${done} of 6`);
  const later = new Rig(rig.directory, rig.store);
  later.now = rig.now;
  const second = await later.run(() => later.pauses.at(-1) === 3_600_000);
  t.ok(second.figures().checkedBytes <= 1_800_000 - (done - 1) * 300_000, "what it had is not read again");
  t.ok(second.figures().checkedBytes >= 1_800_000 - (done + 1) * 300_000, "and the rest is");
  const third = new Rig(rig.directory, rig.store);
  third.now = later.now;
  let day6 = false;
  const rested = await third.run(() => day6 || (day6 = third.now > later.now + 5 * day));
  t.equal(rested.figures().checkedBytes, 0, "five days later nothing is due");
  const fourth = new Rig(rig.directory, rig.store);
  fourth.now = later.now + 8 * day;
  const again = await fourth.run(() => fourth.pauses.at(-1) === 3_600_000);
  t.equal(again.figures().checkedBytes, 1_800_000);
});

t.test("a note that is none, and a clock that was set back, do not keep it from its work", async (t) => {
  const rig = await Rig.open(t);
  await rig.put(100_000);
  writeFileSync(join(rig.directory, scrubName), '{"after": 3}');
  t.equal((await rig.run(() => rig.pauses.at(-1) === 3_600_000)).figures().checkedBytes, 100_000);
  writeFileSync(join(rig.directory, scrubName), JSON.stringify({ since: rig.now + 1000 * day }));
  const other = new Rig(rig.directory, rig.store);
  other.now = rig.now;
  const start = other.now;
  let due = false;
  const scrubber = await other.run(() => due || (due = other.now > start + 8 * day));
  t.equal(scrubber.figures().checkedBytes, 100_000);
});

t.test("what is evicted or replaced while it is read is no rot", async (t) => {
  const rig = await Rig.open(t);
  const digest = await rig.put(2_000_000);
  const path = contentPath(rig.directory, digest);
  rot(path, 5);
  const bytes = readFileSync(path);
  const scrubber = await rig.run(
    () => {
      if (rig.pauses.length === 4) {
        rmSync(path, { force: true });
        writeFileSync(path, bytes);
      }
      return rig.pauses.at(-1) === 3_600_000;
    },
    { fastest: 1_000_000 },
  );
  t.equal(scrubber.figures().rotten, 0);
  t.ok(existsSync(path));
});
