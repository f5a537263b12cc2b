/** When a breaker opens, and for how long. Milliseconds. */
export interface BreakerRules {
  /** The pause after the first opening; each one after a probe that failed is twice as long. */
  readonly firstPause: number;
  readonly longestPause: number;
  /** How long an answer is waited for while the last attempts failed. */
  readonly impatience: number;
}

export const defaultRules: BreakerRules = { firstPause: 1000, longestPause: 60_000, impatience: 5000 };

/**
 * closed: requests go through; `strikes` counts the failures in a row. open: they fail at once. half-open: one probe is under way, and the
 * others fail at once. `code` says what the upstream failed with. Times are milliseconds since the epoch.
 */
export type BreakerState =
  | { readonly kind: "closed"; readonly strikes: number; readonly failed: number }
  | { readonly kind: "open"; readonly until: number; readonly pause: number; readonly code: string }
  | { readonly kind: "half-open"; readonly pause: number; readonly code: string };

/** What became of an attempt; `probe`: it was the one that a half-open breaker let through. */
export type BreakerEvent =
  | { readonly type: "answered" }
  /** Given up for a reason of ours. */
  | { readonly type: "released"; readonly probe: boolean }
  | {
      readonly type: "failed";
      readonly probe: boolean;
      readonly code: string;
      /** What the answer's Retry-After asked for, milliseconds. */
      readonly retryAfter?: number | undefined;
    };

export const closed: BreakerState = { kind: "closed", strikes: 0, failed: 0 };

/** As many open it. One path of a registry may answer 500 while the rest is well, so that such an answer counts half of a broken connection. */
const enough = 6;
const strikesOf = (code: string): number => (code === "HTTP_5XX" ? 1 : 2);

/** Whether a request may go out, and as what. Pure. */
export function admit(state: BreakerState, now: number): { state: BreakerState; as: "request" | "probe" | "refused" } {
  if (state.kind === "closed") return { state, as: "request" };
  if (state.kind === "half-open" || now < state.until) return { state, as: "refused" };
  return { state: { kind: "half-open", pause: state.pause, code: state.code }, as: "probe" };
}

/** What an attempt's end makes of a breaker. Pure. */
export function settle(state: BreakerState, event: BreakerEvent, now: number, rules: BreakerRules): BreakerState {
  if (event.type === "answered") return closed;
  if (state.kind === "half-open") {
    // What was sent before it opened says nothing new.
    if (!event.probe) return state;
    const { code, pause } = state;
    if (event.type === "released") return { kind: "open", until: now, pause, code };
    return opened(event, now, Math.min(pause * 2, rules.longestPause), rules);
  }
  if (state.kind === "open" || event.type === "released") return state;
  // Strikes count while they are news.
  const before = now - state.failed > rules.longestPause ? 0 : state.strikes;
  const strikes = before + strikesOf(event.code);
  // An upstream that names a time is believed at once.
  if (strikes >= enough || (event.retryAfter ?? 0) > 0) return opened(event, now, rules.firstPause, rules);
  return { kind: "closed", strikes, failed: now };
}

function opened(
  { code, retryAfter = 0 }: BreakerEvent & { type: "failed" },
  now: number,
  pause: number,
  { longestPause }: BreakerRules,
): BreakerState {
  return { kind: "open", until: now + Math.max(pause, Math.min(retryAfter, longestPause)), pause, code };
}

/**
 * How long the head of an answer is waited for, in milliseconds; undefined: as long as the timeouts allow. A probe's patience grows with the
 * pauses, so that an upstream which is only slow is found alive in the end. Pure.
 */
export function patienceOf(state: BreakerState, now: number, rules: BreakerRules): number | undefined {
  if (state.kind !== "closed") return Math.max(rules.impatience, state.pause);
  return state.strikes > 0 && now - state.failed <= rules.longestPause ? rules.impatience : undefined;
}
