import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { createFlights } from "../../../src/cache/flight.ts";
import type { Flight } from "../../../src/cache/types.ts";
import { digestOf } from "../../../src/core/digest.ts";
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
}

const { log } = recordingLog();

/** Bytes that are the same at each run of a seed. */
function blobOf(size: number): Buffer {
  return createHash("shake256", { outputLength: Math.max(1, size) })
    .update(String(size))
    .digest()
    .subarray(0, size);
}

async function read(flight: Flight, size: number, reader: Reader): Promise<Outcome> {
  const from = Math.floor((size * reader.from) / 1000);
  const body = flight.follow();
  const pieces: Buffer[] = [];
  let at = from;
  try {
    for (let pulls = 0; pulls !== reader.leaves; pulls += 1) {
      const bytes = await pullOnce(body, at, reader.limit);
      if (bytes.length > reader.limit) throw new RangeError("More than was asked for.");
      if (bytes.length === 0) return { from, bytes: Buffer.concat(pieces), end: "whole" };
      pieces.push(bytes);
      at += bytes.length;
      await turns(reader.pause);
    }
    return { from, bytes: Buffer.concat(pieces), end: "left" };
  } catch (error) {
    if (error instanceof RangeError) throw error;
    return { from, bytes: Buffer.concat(pieces), end: "error" };
  } finally {
    body.close();
  }
}

const readerArbitrary: fc.Arbitrary<Reader> = fc.record({
  after: fc.integer({ min: 0, max: 15 }),
  from: fc.integer({ min: 0, max: 1000 }),
  limit: fc.integer({ min: 20_000, max: 400_000 }),
  pause: fc.integer({ min: 0, max: 3 }),
  leaves: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
});

const cut: fc.Arbitrary<Fault> = fc.record({ cut: fc.integer({ min: 0, max: 400_000 }), fromZero: fc.boolean() });
const last: fc.Arbitrary<Fault> = fc.oneof(
  fc.constant<Fault>({}),
  fc.constant<Fault>({ fromZero: true }),
  fc.record({ flip: fc.integer({ min: 0, max: 400_000 }), fromZero: fc.boolean() }),
  fc.record({ short: fc.integer({ min: 0, max: 400_000 }), fromZero: fc.boolean() }),
  fc.record({ extra: fc.integer({ min: 1, max: 70_000 }) }),
);

void t.test("random clients, cuts and wrong bodies", async (t) => {
  const scenario = fc.record({
    size: fc.integer({ min: 0, max: 500_000 }),
    chunk: fc.integer({ min: 5000, max: 90_000 }),
    window: fc.integer({ min: 0, max: 300_000 }),
    announced: fc.boolean(),
    cuts: fc.array(cut, { maxLength: 3 }),
    last,
    readers: fc.array(readerArbitrary, { minLength: 1, maxLength: 6 }),
    abandon: fc.constantFrom("finish" as const, "stop" as const),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ size, chunk, window, announced, cuts, last: end, readers, abandon }) => {
      const blob = blobOf(size);
      const digest = digestOf(blob);
      const store = new MemoryStore();
      const flights = createFlights({ store, log, window, abandon, retryDelays: [0, 0, 0], linger: 0 });
      const { fetch } = scripted(blob, chunk, [...cuts, end], announced);
      const { flight } = flights.join(digest, "registry.test", fetch);
      const outcomes = await Promise.all(
        readers.map(async (reader) => {
          await turns(reader.after);
          return read(flight, size, reader);
        }),
      );
      const result = await flight.done.then(
        () => "landed" as const,
        () => "failed" as const,
      );
      await turns();
      const stayed = readers.some((reader) => reader.leaves === undefined && reader.after === 0);
      // Without an announced size, what is sent too much is seen too, all but its end.
      const sent = size + (announced ? 0 : (end.extra ?? 0));
      const problem = judge(outcomes, blob, sent, result);
      if (problem !== undefined) throw new Error(problem);
      const isClean = end.flip === undefined && end.short === undefined && end.extra === undefined;
      // A body that is cut at its very end and says no size cannot be told from one that is whole: the hash decides.
      if (isClean && (abandon === "finish" || stayed) && result === "failed") throw new Error("It had to land.");
      if (end.extra !== undefined && size > 0 && cuts.length === 0 && result === "landed")
        throw new Error("Too long, and landed.");
      if (store.content.has(digest) !== (result === "landed")) throw new Error("The store holds what it should not.");
      if (store.open !== 0) throw new Error("A spool was left open.");
      if (flights.active !== 0) throw new Error("A flight was left in the table.");
    }),
    { numRuns: 150 },
  );
  t.pass();
});

/** The model: what anybody got are the blob's bytes, and the last ones only where the blob landed. */
function judge(
  outcomes: readonly Outcome[],
  blob: Buffer,
  sent: number,
  result: "landed" | "failed",
): string | undefined {
  for (const { from, bytes, end } of outcomes) {
    const right = blob.subarray(from, from + bytes.length).equals(bytes);
    if (result === "landed" && !right) return "Wrong bytes of a blob that landed.";
    if (result === "landed" && end === "error") return "An error of a flight that landed.";
    if (end === "whole" && (!right || from + bytes.length !== blob.length)) return "Not whole, and said to be.";
    if (result === "failed" && end === "whole") return "The whole of a flight that failed.";
    if (result === "failed" && bytes.length > 0 && from + bytes.length >= sent)
      return "The end of a flight that failed.";
  }
  return undefined;
}
