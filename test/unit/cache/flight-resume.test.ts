import { randomBytes } from "node:crypto";
import t from "tap";
import { createFlights, type FlightsOptions, type FlightTable } from "../../../src/cache/flight.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { recordingLog } from "./log.ts";
import { pullAll, turns } from "./pull.ts";
import { type Fault, ManualUpstream, scripted } from "./upstream-script.ts";

const { log } = recordingLog();
const blob = randomBytes(1_000_000);
const digest = digestOf(blob);
const origin = "registry.test";

function table(options: Partial<FlightsOptions> = {}): { store: MemoryStore; flights: FlightTable } {
  const store = new MemoryStore();
  return { store, flights: createFlights({ store, log, retryDelays: [0, 0, 0], linger: 0, ...options }) };
}

for (const [name, other] of Object.entries<Fault>({
  "another version": { validator: '"two"' },
  "another size": { validator: '"one"', size: 1_000_001 },
})) {
  void t.test(`the rest of ${name} is not taken: the whole is asked for, and compared`, async (t) => {
    const { flights, store } = table();
    const { fetch, offsets, validators } = scripted(blob, 7000, [
      { cut: 300_000, validator: '"one"' },
      other,
      { cut: 500_000, validator: '"two"' },
      { validator: '"two"' },
    ]);
    const { flight } = flights.join(digest, origin, fetch);
    t.ok(blob.equals(await pullAll(flight.follow())));
    t.same(offsets, [0, 300_000, 0, 500_000]);
    t.same(validators, [undefined, '"one"', '"one"', '"two"']);
    await flight.done;
    t.ok(store.content.has(digest));
  });
}

void t.test("a new version that begins otherwise ends the followers", async (t) => {
  const { flights, store } = table();
  const { fetch, offsets } = scripted(blob, 7000, [
    { cut: 300_000, validator: '"one"' },
    { validator: '"two"' },
    { validator: '"two"', flip: 299_999 },
  ]);
  const { flight } = flights.join(digest, origin, fetch);
  await t.rejects(pullAll(flight.follow()), { code: "UPSTREAM_WRONG_DIGEST" });
  t.same(offsets, [0, 300_000, 0]);
  t.notOk(store.content.has(digest));
});

void t.test("what asking again will not mend is asked once", async (t) => {
  const reset = new EntrepotError("UPSTREAM_PROTOCOL", "Closed.", { cause: new Error("ECONNRESET") });
  const cases: [error: Error, asked: number][] = [
    [new EntrepotError("UPSTREAM_PROTOCOL", "A 416."), 2],
    [new EntrepotError("UPSTREAM_WRONG_LENGTH", "Another size."), 2],
    [reset, 4],
    [new EntrepotError("UPSTREAM_TIMEOUT", "Late."), 4],
    [new EntrepotError("UPSTREAM_UNREACHABLE", "Gone."), 4],
  ];
  for (const [error, asked] of cases) {
    const { flights } = table();
    const { fetch, offsets } = scripted(blob, 7000, [{ cut: 300_000 }, { error }]);
    const { flight } = flights.join(digest, origin, fetch);
    t.equal(await flight.done.catch((thrown: unknown) => thrown), error);
    t.equal(offsets.length, asked, error.message);
  }
  const { flights } = table();
  const { fetch, offsets } = scripted(blob, 7000, [{ cut: 300_000 }, { fromZero: true, size: 999_999 }]);
  await t.rejects(flights.join(digest, origin, fetch).flight.done, { code: "UPSTREAM_WRONG_LENGTH" });
  t.equal(offsets.length, 2, "another size of the whole");
});

void t.test("a body that is longer than its manifest says is refused when that is seen", async (t) => {
  for (const announced of [true, false]) {
    const { flights, store } = table();
    const { fetch, offsets } = scripted(blob, 7000, [], announced);
    const { flight } = flights.join(digest, origin, fetch, 500_000);
    const body = flight.follow();
    await t.rejects(pullAll(body), { code: "UPSTREAM_WRONG_LENGTH", message: /500000 that its manifest says/ });
    await t.rejects(flight.done, { code: "UPSTREAM_WRONG_LENGTH" });
    t.equal(offsets.length, 1);
    t.equal(store.content.size, 0);
    body.close();
  }
  const { flights } = table();
  await flights.join(digest, origin, scripted(blob, 7000).fetch, blob.length).flight.done;
});

void t.test("what an origin sends wrong again is refused at once for a while, which grows", async (t) => {
  let now = 0;
  const { flights } = table({ clock: { now: () => now } });
  const wrong = scripted(blob, 50_000, [{ flip: 3 }]);
  const ask = async (from = origin): Promise<unknown> =>
    flights.join(digest, from, wrong.fetch).flight.done.catch((error: unknown) => error);
  const first = await ask();
  t.match(first, { code: "UPSTREAM_WRONG_DIGEST" });
  const second = await ask();
  t.equal(wrong.offsets.length, 2, "the next request tries again");
  for (let count = 0; count < 1000; count += 1) t.equal(await ask(), second);
  t.equal(wrong.offsets.length, 2);
  t.equal(flights.active, 0);
  const asked: number[] = [];
  for (; now < 300_000; now += 500) {
    const before = wrong.offsets.length;
    await ask();
    if (wrong.offsets.length > before) asked.push(now);
  }
  t.same(asked, [1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000]);
  await ask("other.test");
  await ask("other.test");
  t.equal(wrong.offsets.length, 13, "another origin is another matter");
  now += 60_000;
  await flights.join(digest, "other.test", scripted(blob, 50_000).fetch).flight.done;
  await ask("other.test");
  t.equal(wrong.offsets.length, 14, "and what came right is forgiven");
});

void t.test("what had arrived when a body broke is not asked for again, read or not", async (t) => {
  const { flights } = table();
  const upstream = new ManualUpstream();
  const early = upstream.answer(blob.length);
  early.push(blob.subarray(0, 200_000));
  early.on("error", () => undefined).destroy(new Error("cut before anybody read it"));
  const { flight } = flights.join(digest, origin, upstream.fetch);
  const all = pullAll(flight.follow());
  const second = upstream.answer(blob.length);
  await turns();
  second.pause();
  second.push(blob.subarray(200_000, 500_000));
  second.destroy(new Error("cut while it was paused"));
  const third = upstream.answer(blob.length);
  third.push(blob.subarray(500_000));
  third.push(null);
  t.ok(blob.equals(await all));
  t.same(
    upstream.asked.map(({ offset }) => offset),
    [0, 200_000, 500_000],
  );
});

void t.test("a connection that breaks again and again is no wrong content: the next request asks", async (t) => {
  const { flights } = table({ clock: { now: () => 0 } });
  const { fetch, offsets } = scripted(blob, 50_000, [{ cut: 0 }]);
  for (let count = 1; count <= 4; count += 1) {
    await t.rejects(flights.join(digest, origin, fetch).flight.done, { code: "UPSTREAM_WRONG_LENGTH" });
    t.equal(offsets.length, 4 * count);
  }
});
