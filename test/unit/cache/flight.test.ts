import { randomBytes } from "node:crypto";
import t from "tap";
import { createFlights, type FlightsOptions, type FlightTable } from "../../../src/cache/flight.ts";
import type { FillSource } from "../../../src/cache/types.ts";
import type { Body } from "../../../src/core/body.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { recordingLog } from "./log.ts";
import { pullAll, pullOnce, turns } from "./pull.ts";
import { type Fault, ManualBody, ManualUpstream, scripted } from "./upstream-script.ts";

const { log } = recordingLog();
const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));

const blob = randomBytes(1_000_000);
const digest = digestOf(blob);
const origin = "registry.test";

function table(options: Partial<FlightsOptions> = {}): { store: MemoryStore; flights: FlightTable } {
  const store = new MemoryStore();
  return { store, flights: createFlights({ store, log, retryDelays: [0, 0, 0], linger: 0, ...options }) };
}

void t.test("one upstream transfer for many followers, each with all bytes", async (t) => {
  const { store, flights } = table();
  const { fetch, offsets } = scripted(blob, 10_000);
  const joined = Array.from({ length: 12 }, () => flights.join(digest, origin, fetch));
  t.same(
    joined.map(({ leading }) => leading),
    [true, ...Array<boolean>(11).fill(false)],
  );
  t.equal(flights.current(digest), joined[0]?.flight);
  t.equal(flights.active, 1);
  const bodies = joined.map(({ flight }) => flight.follow());
  const received = await Promise.all(bodies.map((body, index) => pullAll(body, index * 1000, 50_000 + index)));
  received.forEach((bytes, index) => t.ok(blob.subarray(index * 1000).equals(bytes), `follower ${index}`));
  t.same(offsets, [0]);
  t.same(await joined[0]?.flight.head, { size: blob.length, mediaType: "application/test" });
  await joined[0]?.flight.done;
  t.equal(flights.current(digest), undefined);
  t.ok(store.content.get(digest)?.bytes.equals(blob));
  for (const body of bodies) body.close();
  t.equal(store.open, 0, "the spool is closed with the last follower");
});

void t.test("a request at any moment finds the flight or the content", async (t) => {
  const { store, flights } = table();
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const body = upstream.answer(blob.length);
  body.push(blob);
  body.push(null);
  for (let turn = 0; turn < 100; turn += 1) {
    t.ok(flights.current(digest) ?? (await store.stat(digest)));
    await turns(1);
  }
  await flight.done;
  t.equal(flights.current(digest), undefined);
});

void t.test("a landed flight can be joined for a moment, at its own origin", async (t) => {
  const { flights, store } = table({ linger: 60_000 });
  const first = flights.join(digest, origin, scripted(blob, 100_000).fetch);
  await first.flight.done;
  t.equal(flights.current(digest), undefined);
  const late = flights.join(digest, origin, scripted(blob, 100_000).fetch);
  t.equal(late.flight, first.flight);
  t.notOk(late.leading);
  t.ok(blob.equals(await pullAll(late.flight.follow())));
  t.ok(flights.join(digest, "other.test", scripted(blob, 100_000).fetch).leading);
  flights.stop();
  await turns();
  t.ok(store.open <= 1);
});

void t.test("who comes to a flight when all is over reads from the store", async (t) => {
  const { flights, store } = table();
  const { flight } = flights.join(digest, origin, scripted(blob, 100_000).fetch);
  await flight.done;
  t.equal(store.open, 0);
  const late = flight.follow();
  t.equal(late.size, blob.length);
  t.ok(blob.subarray(5).equals(await pullAll(late, 5)));
  late.close();
  await t.rejects(pullOnce(late, 0, 1), { code: "CANCELLED" });
  const leaving = flight.follow();
  const pull = pullOnce(leaving, 0, 1);
  leaving.close();
  await t.rejects(pull, { code: "CANCELLED" });
  await store.remove(digest);
  await t.rejects(pullOnce(flight.follow(), 0, 1), { code: "CACHE_IO" });
});

void t.test("first bytes are not held back until a batch is full", async (t) => {
  const { flights } = table();
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const body = upstream.answer(blob.length);
  body.push(blob.subarray(0, 10));
  const follower = flight.follow();
  t.equal((await pullOnce(follower, 0, 1000)).length, 10);
  const later = pullOnce(follower, 10, 1000);
  body.push(blob.subarray(10, 30));
  t.equal((await later).length, 20);
  t.equal(follower.size, blob.length);
  flights.stop();
});

void t.test("a follower beyond what has arrived waits for its bytes", async (t) => {
  const { flights } = table();
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const pulled = pullOnce(flight.follow(), 900_000, 10);
  const body = upstream.answer(blob.length);
  body.push(blob.subarray(0, 900_000));
  await turns();
  body.push(blob.subarray(900_000, 930_000));
  t.ok(blob.subarray(900_000, 900_010).equals(await pulled));
  flights.stop();
});

const failing: Record<string, { fault: Fault; code: string; announced?: boolean }> = {
  "another digest": { fault: { flip: 5 }, code: "UPSTREAM_WRONG_DIGEST" },
  "another last byte": { fault: { flip: blob.length - 1 }, code: "UPSTREAM_WRONG_DIGEST" },
  "another digest, no size announced": { fault: { flip: 5 }, code: "UPSTREAM_WRONG_DIGEST", announced: false },
  "a short body": { fault: { short: 900_000, fromZero: true }, code: "UPSTREAM_WRONG_LENGTH" },
  "a short body, no size announced": { fault: { short: 900_000 }, code: "UPSTREAM_WRONG_DIGEST", announced: false },
  "a long body": { fault: { extra: 1 }, code: "UPSTREAM_WRONG_LENGTH" },
  "a long body, no size announced": { fault: { extra: 1 }, code: "UPSTREAM_WRONG_DIGEST", announced: false },
  "cuts without end": { fault: { cut: 0 }, code: "UPSTREAM_WRONG_LENGTH" },
};

for (const [name, { fault, code, announced = true }] of Object.entries(failing)) {
  void t.test(`${name}: nobody gets the end, nothing is stored, the next request starts anew`, async (t) => {
    const { store, flights } = table();
    const { flight } = flights.join(digest, origin, scripted(blob, 30_000, [fault], announced).fetch);
    const bodies: [Body, Body] = [flight.follow(), flight.follow()];
    let got = 0;
    const read = async (body: Body, position: number): Promise<void> => {
      for (let at = position; at <= blob.length; got = Math.max(got, at))
        at += (await pullOnce(body, at, 20_000)).length;
    };
    await Promise.all([
      t.rejects(read(bodies[0], 0), { code }),
      t.rejects(read(bodies[1], 999_000), { code }),
      t.rejects(flight.done, { code }),
    ]);
    t.ok(got < blob.length);
    t.equal(flights.current(digest), undefined);
    t.equal(store.content.size, 0);
    t.ok(flights.join(digest, origin, scripted(blob, 100_000).fetch).leading);
    await flights.current(digest)?.done;
    t.ok(store.content.has(digest));
    for (const body of bodies) body.close();
    t.equal(store.open, 0);
  });
}

void t.test("a body that breaks is resumed from the byte it has, and followers notice nothing", async (t) => {
  const { flights } = table();
  const cuts: Fault[] = [{ cut: 100_000 }, { cut: 1 }, { error: new Error("refused") }, { cut: 400_000 }, {}];
  const { fetch, offsets } = scripted(blob, 7000, cuts);
  const { flight } = flights.join(digest, origin, fetch);
  t.ok(blob.equals(await pullAll(flight.follow())));
  t.same(offsets, [0, 100_000, 100_001, 100_001, 500_001]);
});

void t.test("where the upstream ignores the range, its body is compared with what we have", async (t) => {
  const { flights } = table();
  const { fetch, offsets } = scripted(blob, 7000, [
    { cut: 300_000 },
    { fromZero: true, cut: 200_000 },
    { fromZero: true },
  ]);
  const { flight } = flights.join(digest, origin, fetch);
  t.ok(blob.equals(await pullAll(flight.follow())));
  t.same(offsets, [0, 300_000, 300_000]);
  const other = table();
  const changed = scripted(blob, 7000, [{ cut: 300_000 }, { fromZero: true, flip: 9 }]);
  const failed = other.flights.join(digest, origin, changed.fetch).flight;
  await t.rejects(failed.done, { code: "UPSTREAM_WRONG_DIGEST" });
});

void t.test("what fetch rejects with is what head rejects with, the very error", async (t) => {
  const { flights } = table();
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const body = flight.follow();
  const refusal = new Error("no");
  upstream.refuse(refusal);
  await t.rejects(flight.head, refusal);
  await t.rejects(pullOnce(body, 0, 1), refusal);
  t.equal(await flight.head.catch((error: unknown) => error), refusal);
  t.equal(flights.active, 0);
});

void t.test("a slow follower neither slows the flight nor holds memory, and reads from the spool", async (t) => {
  const { flights } = table({ window: 128 * 1024 });
  const { flight } = flights.join(digest, origin, scripted(blob, 50_000).fetch);
  const slow = flight.follow();
  const first = await pullOnce(slow, 0, 1000);
  t.ok(blob.equals(await pullAll(flight.follow())));
  await flight.done;
  t.ok(blob.equals(Buffer.concat([first, await pullAll(slow, 1000)])));
});

void t.test("a flight that fails while a follower reads from the spool fails that follower", async (t) => {
  const { flights } = table({ window: 0 });
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const follower = flight.follow();
  const body = upstream.answer(blob.length);
  body.push(blob.subarray(0, 600_000));
  await pullOnce(follower, 500_000, 1);
  await turns();
  const pull = pullOnce(follower, 0, 1000);
  flights.stop();
  await t.rejects(pull, { code: "STOPPING" });
});

void t.test("the source is paused while the disk is behind", async (t) => {
  const { flights, store } = table();
  const large = randomBytes(9_000_000);
  const gate = Promise.withResolvers<void>();
  store.beforeAppend = () => gate.promise;
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digestOf(large), origin, upstream.fetch);
  const follower = flight.follow();
  const all = pullAll(follower);
  const body = upstream.answer(large.length);
  for (let at = 0; at < large.length; at += 100_000) body.push(large.subarray(at, at + 100_000));
  body.push(null);
  await turns();
  t.ok(body.isPaused());
  gate.resolve();
  t.ok(large.equals(await all));
});

void t.test("a flight outlives its clients", async (t) => {
  const { flights, store } = table();
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const follower = flight.follow();
  const pull = pullOnce(follower, 0, 1);
  follower.close();
  await t.rejects(pull, { code: "CANCELLED" });
  const body = upstream.answer(blob.length);
  body.push(blob);
  body.push(null);
  await flight.done;
  t.ok(store.content.has(digest));
  t.equal(store.open, 0);
});

void t.test("or stops when the last one leaves, where it is told to", async (t) => {
  const { flights, store } = table({ abandon: "stop" });
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const [one, other] = [flight.follow(), flight.follow()];
  const body = upstream.answer(blob.length);
  body.push(blob.subarray(0, 1000));
  await turns();
  one.close();
  one.close();
  await turns();
  t.equal(flights.current(digest), flight, "not while another follows");
  other.close();
  t.equal(flights.current(digest), undefined);
  t.ok(upstream.asked[0]?.signal.aborted);
  t.ok(body.destroyed);
  await t.rejects(flight.done, { code: "CANCELLED" });
  await turns();
  t.equal(store.open, 0);
});

void t.test("an adoption that fails leaves the followers whole", async (t) => {
  const { flights, store } = table();
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const all = pullAll(flight.follow());
  const body = upstream.answer(blob.length);
  body.push(blob);
  await turns();
  store.full = true;
  body.push(null);
  t.ok(blob.equals(await all));
  await t.rejects(flight.done, { code: "CACHE_IO" });
  t.equal(flights.current(digest), undefined);
});

void t.test("small, empty and sha512 content, with and without a size", async (t) => {
  for (const size of [0, 1, 65_536, 65_537]) {
    for (const announced of [true, false]) {
      const { flights, store } = table();
      const bytes = randomBytes(size);
      const name = digestOf(bytes, "sha512");
      const { flight } = flights.join(name, origin, scripted(bytes, 30_000, [], announced).fetch);
      const body = flight.follow();
      t.ok(bytes.equals(await pullAll(body)), `${size} bytes, ${announced ? "announced" : "not announced"}`);
      t.equal(body.size, size);
      t.ok(store.content.has(name));
    }
  }
});

void t.test("an upstream that errors late or in the wrong moment ends nothing but its flight", async (t) => {
  const { flights } = table({ retryDelays: [] });
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const body = upstream.answer(blob.length);
  body.destroy(new EntrepotError("UPSTREAM_TIMEOUT", "Too slow."));
  await t.rejects(flight.done, { code: "UPSTREAM_TIMEOUT" });
  body.emit("error", new Error("once more"));
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<FillSource>()];
  const deaf = async (): Promise<FillSource> => {
    asked.resolve();
    return answer.promise;
  };
  const after = flights.join(digest, origin, deaf).flight;
  await asked.promise;
  flights.stop();
  const late = new ManualBody();
  answer.resolve({ size: blob.length, mediaType: "application/test", offset: 0, body: late });
  await new Promise(setImmediate);
  late.destroy(new Error("late"));
  await t.rejects(after.done, { code: "STOPPING" });
  await t.rejects(flights.join(digest, origin, upstream.fetch).flight.head, { code: "STOPPING" });
});

void t.test("a receiver that throws, or a fetch that gives rubbish, ends nobody else's pull", async (t) => {
  const { flights } = table();
  const upstream = new ManualUpstream();
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const bad = flight.follow();
  bad.pull(0, 10, () => {
    throw new Error("a fault of the receiver");
  });
  const all = pullAll(flight.follow());
  await turns();
  const body = upstream.answer(blob.length);
  body.push(blob);
  body.push(null);
  t.ok(blob.equals(await all));
  const rubbish = flights.join(digestOf(Buffer.from("x")), origin, async () => JSON.parse("null")).flight;
  await t.rejects(rubbish.head, TypeError);
  t.equal(flights.active, 0);
});

void t.test("no rejection of all these was left without a listener", async (t) => {
  await turns();
  t.same(unhandled, []);
});

void t.test("a manifest that says too little stops those alone who believe it", async (t) => {
  let now = 0;
  const { flights } = table({ clock: { now: () => now } });
  const { fetch, offsets } = scripted(blob, 100_000);
  const expected = blob.length - 1;
  const failed = { code: "UPSTREAM_WRONG_LENGTH", detail: { expected } };
  for (let round = 0; round < 5; round += 1) {
    await t.rejects(flights.join(digest, origin, fetch, expected).flight.done, failed);
  }
  t.equal(offsets.length, 2, "the others are answered by the circuit");
  now += 1;
  const { flight, leading } = flights.join(digest, origin, fetch);
  t.ok(leading);
  await flight.done;
  t.equal(offsets.length, 3);
});
