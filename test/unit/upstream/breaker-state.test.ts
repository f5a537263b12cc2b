import fc from "fast-check";
import t from "tap";
import {
  admit,
  type BreakerEvent,
  type BreakerState,
  closed,
  defaultRules as rules,
  patienceOf,
  settle,
} from "../../../src/upstream/breaker-state.ts";

const now = 1_000_000;
const struck = (strikes: number, failed = now - 1): BreakerState => ({ kind: "closed", strikes, failed });
const open = (until: number, pause = 1000): BreakerState => ({ kind: "open", until, pause, code: "UPSTREAM_TIMEOUT" });
const halfOpen = (pause = 1000): BreakerState => ({ kind: "half-open", pause, code: "UPSTREAM_TIMEOUT" });
const failed = (code = "UPSTREAM_TIMEOUT", probe = false, retryAfter?: number): BreakerEvent => ({
  type: "failed",
  probe,
  code,
  retryAfter,
});

t.test("which requests go out", async (t) => {
  const cases: [state: BreakerState, as: string, then: string][] = [
    [closed, "request", "closed"],
    [struck(5), "request", "closed"],
    [open(now + 1), "refused", "open"],
    [open(now), "probe", "half-open"],
    [halfOpen(), "refused", "half-open"],
  ];
  for (const [state, as, then] of cases) {
    const admitted = admit(state, now);
    t.same([admitted.as, admitted.state.kind], [as, then], JSON.stringify(state));
  }
});

t.test("what an attempt's end makes of it", async (t) => {
  const cases: [state: BreakerState, event: BreakerEvent, expected: Partial<BreakerState>][] = [
    [closed, failed(), { kind: "closed", strikes: 2, failed: now }],
    [struck(2), failed(), { kind: "closed", strikes: 4 }],
    [struck(4), failed(), { kind: "open", until: now + 1000, pause: 1000, code: "UPSTREAM_TIMEOUT" }],
    [struck(4), failed("HTTP_5XX"), { kind: "closed", strikes: 5 }],
    [struck(5), failed("HTTP_5XX"), { kind: "open", code: "HTTP_5XX" }],
    // An old failure is not one in a row with a new one.
    [struck(5, now - 60_001), failed(), { kind: "closed", strikes: 2 }],
    [struck(5, now - 60_000), failed(), { kind: "open" }],
    [struck(4), { type: "answered" }, closed],
    [struck(4), { type: "released", probe: false }, struck(4)],
    [closed, failed("HTTP_5XX", false, 20_000), { kind: "open", until: now + 20_000, pause: 1000 }],
    [closed, failed("HTTP_5XX", false, 0), { kind: "closed", strikes: 1 }],
    [closed, failed("HTTP_5XX", false, 900_000), { kind: "open", until: now + 60_000 }],
    [halfOpen(), { type: "answered" }, closed],
    [halfOpen(4000), failed("UPSTREAM_TIMEOUT", true), { kind: "open", until: now + 8000, pause: 8000 }],
    [halfOpen(40_000), failed("UPSTREAM_TIMEOUT", true), { kind: "open", until: now + 60_000, pause: 60_000 }],
    [halfOpen(), failed("UPSTREAM_TLS", true), { kind: "open", code: "UPSTREAM_TLS" }],
    // The probe's client went away: the next request is one.
    [halfOpen(4000), { type: "released", probe: true }, { kind: "open", until: now, pause: 4000 }],
    // What was sent before it opened says nothing new, unless it is that the upstream is there.
    [halfOpen(), failed(), halfOpen()],
    [halfOpen(), { type: "released", probe: false }, halfOpen()],
    [open(now + 1), failed(), open(now + 1)],
    [open(now + 1), { type: "answered" }, closed],
  ];
  for (const [state, event, expected] of cases) {
    t.match(settle(state, event, now, rules), expected, `${JSON.stringify(state)} ${JSON.stringify(event)}`);
  }
});

t.test("how long an answer is waited for", async (t) => {
  const cases: [state: BreakerState, expected: number | undefined][] = [
    [closed, undefined],
    [struck(1), 5000],
    [struck(1, now - 60_001), undefined],
    [halfOpen(1000), 5000],
    [halfOpen(32_000), 32_000],
  ];
  for (const [state, expected] of cases) t.equal(patienceOf(state, now, rules), expected, JSON.stringify(state));
});

interface Step {
  readonly wait: number;
  readonly code: string | undefined;
  readonly gone: boolean;
}

t.test(
  "whatever happens: one probe at a time, pauses within bounds, and an upstream that answers is found",
  async (t) => {
    const step: fc.Arbitrary<Step> = fc.record({
      wait: fc.integer({ min: 0, max: 70_000 }),
      code: fc.constantFrom(undefined, "UPSTREAM_TIMEOUT", "HTTP_5XX"),
      gone: fc.boolean(),
    });
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let state: BreakerState = closed;
      let time = now;
      for (const { wait, code, gone } of steps) {
        time += wait;
        const admitted = admit(state, time);
        state = admitted.state;
        if (admitted.as === "refused") continue;
        const probe = admitted.as === "probe";
        if (probe && admit(state, time + 1e9).as !== "refused") return false;
        const event: BreakerEvent = gone
          ? { type: "released", probe }
          : code === undefined
            ? { type: "answered" }
            : { type: "failed", probe, code };
        state = settle(state, event, time, rules);
        if (state.kind === "half-open") return false;
        if (state.kind === "open" && (state.until - time > rules.longestPause || state.pause > rules.longestPause)) {
          return false;
        }
        if (event.type === "answered" && state !== closed) return false;
      }
      // Never shut for good: after the longest pause somebody is let through.
      return admit(state, time + rules.longestPause).as !== "refused";
    });
    t.doesNotThrow(() => fc.assert(property));
  },
);
