import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { createFlights, type FlightTable } from "../../../src/cache/flight.ts";
import type { FillFetch } from "../../../src/cache/types.ts";
import { type Digest, digestOf } from "../../../src/core/digest.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";
import { recordingLog } from "./log.ts";
import { pullOnce, turns } from "./pull.ts";
import { type Fault, scripted } from "./upstream-script.ts";

interface Reader {
  /** Turns of the loop before it joins. */
  readonly after: number;
  /** Thousandths of the blob. */
  readonly from: number;
  readonly limit: number;
  /** Turns of the loop between two pulls. */
  readonly pause: number;
  /** Leaves after so many pulls. */
  readonly leaves: number | undefined;
}

interface Outcome {
  readonly from: number;
  readonly bytes: Buffer;
  readonly end: "whole" | "left" | "error";
  /** unkept: it may well have landed, but the disk did not take it. */
  readonly flight: "landed" | "unkept" | "failed";
}

/** What happens to the disk, or to the program, after so many turns of the loop. */
interface Blow {
  readonly after: number;
  readonly what: "evict" | "full" | "room" | "stop";
}

const { log } = recordingLog();
const origin = "registry.test";

/** Bytes that are the same at each run of a seed. */
function blobOf(size: number): Buffer {
  return createHash("shake256", { outputLength: Math.max(1, size) })
    .update(String(size))
    .digest()
    .subarray(0, size);
}

async function read(
  flights: FlightTable,
  digest: Digest,
  fetch: FillFetch,
  size: number,
  reader: Reader,
): Promise<Outcome> {
  await turns(reader.after);
  const from = Math.floor((size * reader.from) / 1000);
  const { flight } = flights.join(digest, origin, fetch);
  if (flights.active > 1) throw new RangeError("Two flights of one digest.");
  const body = flight.follow();
  const pieces: Buffer[] = [];
  let at = from;
  let end: Outcome["end"] | undefined;
  try {
    for (let pulls = 0; end === undefined && pulls !== reader.leaves; pulls += 1) {
      const bytes = await pullOnce(body, at, reader.limit);
      if (bytes.length > reader.limit) throw new RangeError("More than was asked for.");
      if (bytes.length === 0) end = "whole";
      pieces.push(bytes);
      at += bytes.length;
      await turns(reader.pause);
    }
  } catch (error) {
    if (error instanceof RangeError) throw error;
    end = "error";
  } finally {
    body.close();
  }
  const result = await flight.done.then(
    () => "landed" as const,
    (error: unknown) => (error instanceof EntrepotError && error.code === "CACHE_IO" ? "unkept" : "failed"),
  );
  return { from, bytes: Buffer.concat(pieces), end: end ?? "left", flight: result };
}

const readerArbitrary: fc.Arbitrary<Reader> = fc.record({
  after: fc.integer({ min: 0, max: 25 }),
  from: fc.integer({ min: 0, max: 1000 }),
  limit: fc.integer({ min: 20_000, max: 400_000 }),
  pause: fc.integer({ min: 0, max: 3 }),
  leaves: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
});
/** One that is there from the first moment to the end. */
const patient = readerArbitrary.map((reader) => ({ ...reader, after: 0, leaves: undefined }));

const version = fc.constantFrom<Fault>({}, { validator: '"one"' }, { validator: '"two"' });
const cut: fc.Arbitrary<Fault> = fc
  .tuple(fc.record({ cut: fc.integer({ min: 0, max: 600_000 }), fromZero: fc.boolean() }), version)
  .map(([fault, validator]) => ({ ...fault, ...validator }));
const last: fc.Arbitrary<Fault> = fc.oneof(
  version,
  fc.constant<Fault>({ fromZero: true }),
  fc.record({ flip: fc.integer({ min: 0, max: 400_000 }), fromZero: fc.boolean() }),
  fc.record({ short: fc.integer({ min: 0, max: 400_000 }), fromZero: fc.boolean() }),
  fc.record({ extra: fc.integer({ min: 1, max: 70_000 }) }),
);
const blow: fc.Arbitrary<Blow> = fc.record({
  after: fc.integer({ min: 1, max: 30 }),
  what: fc.constantFrom("evict" as const, "full" as const, "room" as const, "stop" as const),
});

const scenarioArbitrary = fc.record({
  size: fc.integer({ min: 0, max: 1_200_000 }),
  chunk: fc.integer({ min: 5000, max: 90_000 }),
  window: fc.integer({ min: 0, max: 300_000 }),
  announced: fc.boolean(),
  cuts: fc.array(cut, { maxLength: 3 }),
  last,
  first: patient,
  readers: fc.array(readerArbitrary, { maxLength: 6 }),
  abandon: fc.constantFrom("finish" as const, "stop" as const),
  /** Bytes that the disk takes. */
  capacity: fc.option(fc.integer({ min: 0, max: 1_200_000 }), { nil: Number.POSITIVE_INFINITY }),
  /** What an eviction gives, each time that it is asked for. */
  freed: fc.constantFrom(0, 0, 100_000),
  blows: fc.array(blow, { maxLength: 3 }),
});
type Scenario = typeof scenarioArbitrary extends fc.Arbitrary<infer T> ? T : never;

async function play(scenario: Scenario): Promise<void> {
  const { size, chunk, window, announced, cuts, first, readers, abandon, capacity, freed, blows } = scenario;
  const blob = blobOf(size);
  const digest = digestOf(blob);
  const store = new MemoryStore();
  store.capacity = capacity;
  const room = {
    async free() {
      store.capacity += freed;
      return freed;
    },
    keep: () => undefined,
  };
  const retryDelays = [0, 0, 0];
  const flights = createFlights({
    store,
    log,
    window,
    abandon,
    retryDelays,
    linger: 0,
    room,
    roomDelays: [0],
    patience: 60_000,
  });
  const { fetch } = scripted(blob, chunk, [...cuts, scenario.last], announced);
  const strike = async ({ after, what }: Blow): Promise<void> => {
    await turns(after);
    if (what === "stop") flights.stop();
    else if (what === "evict") await store.remove(digest);
    else store.full = what === "full";
  };
  const reading = [first, ...readers].map((reader) => read(flights, digest, fetch, size, reader));
  const [outcomes] = await Promise.all([Promise.all(reading), Promise.all(blows.map(strike))]);
  await turns();

  // Without an announced size, what is sent too much is seen too, all but its end.
  const sent = size + (announced ? 0 : (scenario.last.extra ?? 0));
  for (const outcome of outcomes) judge(outcome, blob, sent);
  const { flip, short, extra } = scenario.last;
  const isClean = flip === undefined && short === undefined && extra === undefined;
  const isStopped = blows.some(({ what }) => what === "stop");
  // Whatever the disk does: who comes first and stays has it all.
  if (isClean && !isStopped && outcomes[0]?.end !== "whole") throw new Error("Who stayed did not get it.");
  const held = store.content.get(digest);
  if (held !== undefined && !held.bytes.equals(blob)) throw new Error("The store holds what it should not.");
  const isSpared = blows.every(({ what }) => what === "room");
  if (isClean && isSpared && capacity >= size && held === undefined) throw new Error("It had to be kept.");
  if (!isClean && extra !== undefined && size > 0 && cuts.length === 0 && held !== undefined)
    throw new Error("Too long, and kept.");
  if (store.open !== 0 || store.spooled !== 0) throw new Error("A spool was left open.");
  if (flights.active !== 0) throw new Error("A flight was left in the table.");
}

/** The model: what anybody got are the blob's bytes, and the last ones only where the hash was right. */
function judge({ from, bytes, end, flight }: Outcome, blob: Buffer, sent: number): void {
  const right = blob.subarray(from, from + bytes.length).equals(bytes);
  if (flight === "landed" && !right) throw new Error("Wrong bytes of a blob that landed.");
  if (flight === "landed" && end === "error") throw new Error("An error of a flight that landed.");
  if (end === "whole" && (!right || from + bytes.length !== blob.length)) throw new Error("Not whole, and said to be.");
  if (flight === "failed" && end === "whole") throw new Error("The whole of a flight that failed.");
  if (flight === "failed" && bytes.length > 0 && from + bytes.length >= sent)
    throw new Error("The end of a flight that failed.");
}

void t.test("without the disk, who asks for the end alone does not let go of what is not hashed yet", async () => {
  await play({
    size: 1_084_360,
    chunk: 61_681,
    window: 0,
    announced: false,
    cuts: [],
    last: {},
    first: { after: 0, from: 967, limit: 20_000, pause: 0, leaves: undefined },
    readers: [],
    abandon: "finish",
    capacity: 516_810,
    freed: 100_000,
    blows: [],
  });
});

t.setTimeout(120_000);

void t.test("random clients, cuts, wrong bodies, evictions, write errors and stops", async (t) => {
  const numRuns = Number(process.env["FLIGHT_RUNS"] ?? 250);
  const seed = Number(process.env["FLIGHT_SEED"] ?? Date.now() % 2 ** 31);
  t.comment(`FLIGHT_SEED=${seed}`);
  await fc.assert(fc.asyncProperty(scenarioArbitrary, play), { numRuns, seed });
  t.pass();
});
