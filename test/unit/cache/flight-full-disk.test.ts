import { randomBytes } from "node:crypto";
import t from "tap";
import { createFlights, type FlightsOptions, type FlightTable } from "../../../src/cache/flight.ts";
import type { Flight } from "../../../src/cache/types.ts";
import type { Body } from "../../../src/core/body.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { recordingLog } from "./log.ts";
import { pullAll, pullOnce, turns } from "./pull.ts";
import { type ManualBody, ManualUpstream, scripted } from "./upstream-script.ts";

const { log } = recordingLog();
const blob = randomBytes(4_000_000);
const digest = digestOf(blob);
const origin = "registry.test";
/** A window of one slab: memory is what it is at least. */
const window = 256 * 1024;

function table(options: Partial<FlightsOptions> = {}): { store: MemoryStore; flights: FlightTable } {
  const store = new MemoryStore();
  store.capacity = 1_000_000;
  return { store, flights: createFlights({ store, log, window, retryDelays: [0, 0], linger: 0, ...options }) };
}

async function feed(body: ManualBody, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 50_000) {
    body.push(blob.subarray(at, Math.min(to, at + 50_000)));
    await turns(2);
  }
  if (to === blob.length) body.push(null);
}

/** Reads on and counts. */
function reader(body: Body): { readonly at: () => number; readonly all: Promise<Buffer> } {
  const pieces: Buffer[] = [];
  let at = 0;
  const all = (async () => {
    for (;;) {
      const bytes = await pullOnce(body, at, 100_000);
      if (bytes.length === 0) return Buffer.concat(pieces);
      pieces.push(bytes);
      at += bytes.length;
    }
  })();
  all.catch(() => undefined);
  return { at: () => at, all };
}

/** A flight whose disk took its first million bytes. */
async function diskless(flights: FlightTable): Promise<{ flight: Flight; upstream: ManualUpstream; body: ManualBody }> {
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  return { flight, upstream, body: upstream.answer(blob.length) };
}

void t.test("a full disk is told of, room is made, and the write is done again", async (t) => {
  const asked: number[] = [];
  const { flights, store } = table({
    room: {
      async free(bytes) {
        asked.push(bytes);
        store.capacity += 3_000_000;
        return 3_000_000;
      },
      keep: () => undefined,
    },
  });
  const { flight } = flights.join(digest, origin, scripted(blob, 50_000).fetch);
  t.ok(blob.equals(await pullAll(flight.follow())));
  await flight.done;
  t.equal(asked.length, 1);
  t.ok((asked[0] ?? 0) > 2_900_000 && (asked[0] ?? 0) < 4_000_000, "what the blob still needs");
  t.ok(store.content.has(digest));
});

void t.test("what was evicted may come free a little later", async (t) => {
  let asked = 0;
  const { flights, store } = table({
    room: {
      async free() {
        asked += 1;
        setImmediate(() => (store.capacity += 4_000_000));
        return 4_000_000;
      },
      keep: () => undefined,
    },
    roomDelays: [0, 1, 1],
  });
  const { flight } = flights.join(digest, origin, scripted(blob, 50_000).fetch);
  t.ok(blob.equals(await pullAll(flight.follow())));
  await flight.done;
  t.equal(asked, 1);
});

void t.test(
  "a disk that stays full: the pull goes on without it, in bounded memory, and nothing is kept",
  async (t) => {
    const { flights, store } = table();
    const { flight, body, upstream } = await diskless(flights);
    const follower = flight.follow();
    const { all, at } = reader(follower);
    await feed(body, 0, blob.length);
    t.ok(blob.equals(await all));
    t.equal(at(), blob.length);
    t.same(upstream.asked.length, 1);
    await t.rejects(flight.done, { code: "CACHE_IO" });
    t.equal(store.content.size, 0);
    t.equal(flights.current(digest), undefined);
    follower.close();
    t.equal(store.open, 0);
    t.equal(store.spooled, 0);
  },
);

void t.test("the source waits for the slowest, who comes from the spool; then all go on", async (t) => {
  const { flights } = table({ patience: 60_000 });
  const { flight, body } = await diskless(flights);
  const [fast, slow] = [reader(flight.follow()), flight.follow()];
  t.equal((await Promise.all([feed(body, 0, 2_000_000), pullOnce(slow, 0, 10)]))[1].length, 10);
  t.ok(body.isPaused());
  t.ok(fast.at() < 1_600_000, `${fast.at()}`);
  void feed(body, 2_000_000, blob.length);
  await turns(50);
  t.ok(fast.at() < 1_600_000, `${fast.at()}`);
  t.ok(blob.subarray(10).equals(await pullAll(slow, 10)), "nothing was let go of that it needed");
  t.ok(blob.equals(await fast.all));
});

void t.test("one that holds up the others for too long is let go of", async (t) => {
  const { flights } = table({ patience: 5 });
  const { flight, body } = await diskless(flights);
  const [fast, slow] = [reader(flight.follow()), flight.follow()];
  await pullOnceOrWait(slow, feed(body, 0, 2_000_000));
  void feed(body, 2_000_000, blob.length);
  t.ok(blob.equals(await fast.all));
  await t.rejects(pullOnce(slow, 10, 10), { code: "CACHE_IO" });
});

async function pullOnceOrWait(body: Body, fed: Promise<void>): Promise<void> {
  await pullOnce(body, 0, 10);
  await fed;
}

void t.test("but not where nobody waits for it", async (t) => {
  const { flights } = table({ patience: 1 });
  const { flight, body } = await diskless(flights);
  const slow = flight.follow();
  await feed(body, 0, 2_000_000);
  await new Promise((resolve) => setTimeout(resolve, 10));
  void feed(body, 2_000_000, blob.length);
  t.ok(blob.equals(await pullAll(slow)));
});

void t.test("a newcomer joins while all is still there, and later is told that the disk is full", async (t) => {
  const { flights } = table();
  const { flight, body } = await diskless(flights);
  const first = reader(flight.follow());
  await feed(body, 0, 1_040_000);
  const early = flights.join(digest, origin, scripted(blob, 50_000).fetch);
  t.equal(early.flight, flight);
  const second = reader(early.flight.follow());
  await feed(body, 1_040_000, 3_000_000);
  const late = flights.join(digest, origin, scripted(blob, 50_000).fetch);
  t.not(late.flight, flight);
  await t.rejects(late.flight.head, { code: "CACHE_IO" });
  t.equal(flights.current(digest), undefined);
  t.equal(flights.active, 1);
  await t.rejects(pullOnce(flight.follow(), 1_500_000, 10), { code: "CACHE_IO" }, "memory has let go of this");
  await feed(body, 3_000_000, blob.length);
  t.ok(blob.equals(await first.all));
  t.ok(blob.equals(await second.all));
});

void t.test("it is resumed as any other, and a wrong end is nobody's", async (t) => {
  for (const wrong of [false, true]) {
    const { flights, store } = table();
    const faults = [{ cut: 2_500_000 }, wrong ? { flip: 3_999_999 } : {}];
    const { flight } = flights.join(digest, origin, scripted(blob, 50_000, faults).fetch);
    const follower = flight.follow();
    const { all, at } = reader(follower);
    if (wrong) await t.rejects(all, { code: "UPSTREAM_WRONG_DIGEST" });
    else t.ok(blob.equals(await all));
    t.equal(at() === blob.length, !wrong);
    await t.rejects(flight.done);
    follower.close();
    t.equal(store.open, 0);
  }
});

void t.test("without followers it ends, for it would leave nothing", async (t) => {
  const { flights, store } = table();
  const { flight, body } = await diskless(flights);
  const follower = flight.follow();
  await feed(body, 0, 1_500_000);
  follower.close();
  await t.rejects(flight.done, { code: "CACHE_IO" });
  t.ok(body.destroyed);
  t.equal(flights.active, 0);
  t.equal(store.open, 0);
  const alone = flights.join(digest, origin, scripted(blob, 50_000).fetch).flight;
  await t.rejects(alone.done, { code: "CACHE_IO" });
});

void t.test("a disk that takes no spool: all who ask share one transfer in memory", async (t) => {
  const { flights, store } = table({ patience: 60_000 });
  store.full = true;
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const [fast, slow] = [reader(flight.follow()), flight.follow()];
  const body = upstream.answer(blob.length);
  t.equal((await Promise.all([feed(body, 0, 100_000), pullOnce(slow, 0, 10)]))[1].length, 10);
  const late = flights.join(digest, origin, upstream.fetch);
  t.equal(late.leading, false, "and who comes while its beginning is there");
  const third = reader(late.flight.follow());
  await feed(body, 100_000, 2_000_000);
  t.ok(body.isPaused(), "the source waits for the slowest");
  t.ok(fast.at() < 700_000, `${fast.at()}`);
  void feed(body, 2_000_000, blob.length);
  t.ok(blob.subarray(10).equals(await pullAll(slow, 10)));
  t.ok(blob.equals(await fast.all));
  t.ok(blob.equals(await third.all));
  t.equal(upstream.asked.length, 1);
  await t.rejects(flight.done, { code: "CACHE_IO" });
  t.same([store.content.size, store.open], [0, 0]);
});

void t.test("it is gone on with after a cut as any other, and a wrong one is as wrong", async (t) => {
  for (const wrong of [false, true]) {
    const { flights, store } = table();
    store.full = true;
    const upstream = scripted(blob, 50_000, [{ cut: 1_000_000 }, wrong ? { flip: 3_000_000 } : {}]);
    const { flight } = flights.join(digest, origin, upstream.fetch);
    const all = pullAll(flight.follow());
    if (wrong) await t.rejects(all, { code: "UPSTREAM_WRONG_DIGEST" });
    else t.ok(blob.equals(await all));
    t.same(upstream.offsets, [0, 1_000_000]);
  }
});

void t.test("nobody is asked for what nobody waits for and no disk takes", async (t) => {
  const { flights, store } = table();
  store.full = true;
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  await t.rejects(flight.done, { code: "CACHE_IO" });
  t.equal(upstream.asked.length, 0);
});
