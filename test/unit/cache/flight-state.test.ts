import fc from "fast-check";
import t from "tap";
import {
  endedShort,
  type FlightEvent,
  type FlightState,
  heldBack,
  initialFlight,
  judgePull,
  step,
} from "../../../src/cache/flight-state.ts";

const kib = 1024;
const filling: FlightState = { ...initialFlight, phase: "filling", answered: true, size: 1000 * kib };
const midway: FlightState = { ...filling, received: 500 * kib, written: 400 * kib, visible: 400 * kib };

const table: Record<string, { state: FlightState; event: FlightEvent; expected: Partial<FlightState> }> = {
  "the first answer says the size": {
    state: initialFlight,
    event: { type: "answered", offset: 0, size: 10 },
    expected: { phase: "filling", answered: true, size: 10, repeating: 0 },
  },
  "an upstream that does not say the size is taken": {
    state: initialFlight,
    event: { type: "answered", offset: 0, size: undefined },
    expected: { phase: "filling", size: undefined },
  },
  "a refusal before the first answer is final": {
    state: initialFlight,
    event: { type: "broke", retries: 9 },
    expected: { phase: "failed", failure: "upstream" },
  },
  "a break midway asks for the rest": {
    state: midway,
    event: { type: "broke", retries: 1 },
    expected: { phase: "asking", breaks: 1, brokeAt: 500 * kib, received: 500 * kib, visible: 400 * kib },
  },
  "one break too many is final": {
    state: { ...midway, breaks: 1, brokeAt: 500 * kib },
    event: { type: "broke", retries: 1 },
    expected: { phase: "failed", failure: "upstream" },
  },
  "progress in between makes a break the first again": {
    state: { ...midway, breaks: 1, brokeAt: 400 * kib },
    event: { type: "broke", retries: 1 },
    expected: { phase: "asking", breaks: 1 },
  },
  "a few bytes are no progress": {
    state: { ...midway, breaks: 1, brokeAt: 499 * kib },
    event: { type: "broke", retries: 1 },
    expected: { phase: "failed" },
  },
  "the rest continues where it broke": {
    state: { ...midway, phase: "asking" },
    event: { type: "answered", offset: 500 * kib, size: 1000 * kib },
    expected: { phase: "filling", repeating: 0 },
  },
  "a body from zero is compared first": {
    state: { ...midway, phase: "asking" },
    event: { type: "answered", offset: 0, size: undefined },
    expected: { phase: "filling", repeating: 500 * kib, size: 1000 * kib },
  },
  "a body from elsewhere is refused": {
    state: { ...midway, phase: "asking" },
    event: { type: "answered", offset: 400 * kib, size: 1000 * kib },
    expected: { phase: "failed", failure: "misplaced" },
  },
  "the rest of a blob of another size is not taken: from zero": {
    state: { ...midway, phase: "asking" },
    event: { type: "answered", offset: 500 * kib, size: 999 * kib },
    expected: { phase: "asking", restarting: true, received: 500 * kib },
  },
  "nor the rest of another version": {
    state: { ...midway, phase: "asking", validator: '"one"' },
    event: { type: "answered", offset: 500 * kib, size: 1000 * kib, validator: '"other"' },
    expected: { phase: "asking", restarting: true },
  },
  "an upstream that names no version has the same one": {
    state: { ...midway, phase: "asking", validator: '"one"' },
    event: { type: "answered", offset: 500 * kib, size: undefined, validator: undefined },
    expected: { phase: "filling", repeating: 0 },
  },
  "another version from zero is compared": {
    state: { ...midway, phase: "asking", validator: '"one"', restarting: true },
    event: { type: "answered", offset: 0, size: 1000 * kib, validator: '"other"' },
    expected: { phase: "filling", repeating: 500 * kib, validator: '"other"', restarting: false },
  },
  "the rest is no answer where the whole was asked for": {
    state: { ...midway, phase: "asking", restarting: true },
    event: { type: "answered", offset: 500 * kib, size: 1000 * kib },
    expected: { phase: "failed", failure: "misplaced" },
  },
  "another size of the whole is final": {
    state: { ...midway, phase: "asking" },
    event: { type: "answered", offset: 0, size: 999 * kib },
    expected: { phase: "failed", failure: "size-changed" },
  },
  "more than the manifest says is refused when it is announced": {
    state: { ...initialFlight, most: 10 },
    event: { type: "answered", offset: 0, size: 11 },
    expected: { phase: "failed", failure: "unexpected" },
  },
  "and when it comes unannounced": {
    state: { ...filling, size: undefined, most: 10 },
    event: { type: "received", bytes: 11 },
    expected: { phase: "failed", failure: "unexpected", received: 0 },
  },
  "a disk that is lost keeps what it has": {
    state: midway,
    event: { type: "disk-lost" },
    expected: { phase: "filling", spooled: 400 * kib },
  },
  "and is lost once": {
    state: { ...midway, spooled: 300 * kib },
    event: { type: "disk-lost" },
    expected: { spooled: 300 * kib },
  },
  "a size smaller than what we have is refused": {
    state: { ...midway, phase: "asking", size: undefined },
    event: { type: "answered", offset: 500 * kib, size: 499 * kib },
    expected: { phase: "failed", failure: "too-long" },
  },
  "other bytes than before are refused": {
    state: { ...midway, repeating: 10 },
    event: { type: "repeated", bytes: 10, same: false },
    expected: { phase: "failed", failure: "prefix-changed" },
  },
  "a body longer than announced fails at once": {
    state: midway,
    event: { type: "received", bytes: 500 * kib + 1 },
    expected: { phase: "failed", failure: "too-long", received: 500 * kib },
  },
  "what is written becomes visible": {
    state: midway,
    event: { type: "written", bytes: 50 * kib },
    expected: { phase: "filling", written: 450 * kib, visible: 450 * kib },
  },
  "the end is held back": {
    state: { ...midway, received: 1000 * kib },
    event: { type: "written", bytes: 600 * kib },
    expected: { written: 1000 * kib, visible: 1000 * kib - heldBack },
  },
  "the end is held back where no size is known": {
    state: { ...midway, size: undefined },
    event: { type: "written", bytes: 100 * kib },
    expected: { visible: 500 * kib - heldBack },
  },
  "the end of the body before the end of the write": {
    state: midway,
    event: { type: "ended" },
    expected: { phase: "filling", ended: true },
  },
  "all written and ended: the hash is compared": {
    state: { ...midway, size: 500 * kib, ended: true },
    event: { type: "written", bytes: 100 * kib },
    expected: { phase: "proving" },
  },
  "an empty body": {
    state: { ...filling, size: 0 },
    event: { type: "ended" },
    expected: { phase: "proving" },
  },
  "a wrong hash is final": {
    state: { ...midway, phase: "proving" },
    event: { type: "proved", right: false },
    expected: { phase: "failed", failure: "wrong-digest", visible: 400 * kib },
  },
  "landed shows everything": {
    state: { ...midway, phase: "proving", written: 500 * kib, size: undefined },
    event: { type: "landed" },
    expected: { phase: "landed", visible: 500 * kib, size: 500 * kib },
  },
  "nothing lands unproven": { state: midway, event: { type: "landed" }, expected: { phase: "filling" } },
  "a failure is final": {
    state: { ...midway, phase: "failed", failure: "disk" },
    event: { type: "broke", retries: 9 },
    expected: { phase: "failed", failure: "disk" },
  },
};

for (const [name, { state, event, expected }] of Object.entries(table)) {
  void t.test(name, (t) => {
    t.match(step(state, event), expected);
    t.end();
  });
}

void t.test("what a follower gets", (t) => {
  const at = midway.visible;
  t.equal(judgePull(midway, at - 1), "data");
  t.equal(judgePull(midway, at), "wait");
  t.equal(judgePull({ ...midway, phase: "failed" }, 0), "failed");
  t.equal(judgePull({ ...midway, phase: "landed" }, at), "end");
  t.equal(judgePull({ ...midway, phase: "landed" }, 0), "data");
  const diskless = { ...midway, spooled: 100 * kib };
  t.equal(judgePull(diskless, 100 * kib - 1, 200 * kib), "data", "on the spool");
  t.equal(judgePull(diskless, 100 * kib, 200 * kib), "lost");
  t.equal(judgePull(diskless, 200 * kib, 200 * kib), "data", "in memory");
  t.equal(judgePull(diskless, at, 200 * kib), "wait");
  t.ok(endedShort(midway));
  t.ok(endedShort({ ...midway, size: undefined, repeating: 1 }));
  t.notOk(endedShort({ ...midway, size: undefined }));
  t.end();
});

void t.test("whatever happens, the counts stay in order and the end is hidden until it landed", (t) => {
  const bytes = fc.integer({ min: 0, max: 300 * kib });
  const size = fc.option(fc.integer({ min: 0, max: 700 * kib }), { nil: undefined });
  const validator = fc.constantFrom(undefined, '"one"', '"other"');
  const event: fc.Arbitrary<FlightEvent> = fc.oneof(
    fc.record({ type: fc.constant("answered" as const), offset: fc.constantFrom(0, 1), size, validator }),
    fc.record({ type: fc.constant("received" as const), bytes }),
    fc.record({ type: fc.constant("written" as const), bytes }),
    fc.constant<FlightEvent>({ type: "ended" }),
    fc.constant<FlightEvent>({ type: "broke", retries: 2 }),
    fc.record({ type: fc.constant("proved" as const), right: fc.boolean() }),
    fc.constant<FlightEvent>({ type: "landed" }),
    fc.constant<FlightEvent>({ type: "disk-lost" }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let state = initialFlight;
      for (const next of events) {
        // What the driver keeps: nothing is written that was not received, and an end that is short is told as a break.
        const waiting = state.received - state.written;
        const fed: FlightEvent =
          next.type === "written"
            ? { type: "written", bytes: Math.min(next.bytes, waiting) }
            : next.type === "ended" && endedShort(state)
              ? { type: "broke", retries: 2 }
              : next.type === "answered" && next.offset === 1
                ? { ...next, offset: state.received }
                : next;
        const after = step(state, fed);
        const ordered =
          after.visible >= state.visible &&
          after.visible <= after.written &&
          after.written <= after.received &&
          (after.size === undefined || after.received <= after.size);
        const end = after.size ?? after.received;
        const hidden = after.phase === "landed" || end === 0 || after.visible < end;
        if (!ordered || !hidden) throw new Error(`${JSON.stringify(fed)} made ${JSON.stringify(after)}`);
        state = after;
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
  t.end();
});
