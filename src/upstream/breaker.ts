import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../core/clock.ts";
import { asEntrepotError, EntrepotError, type ErrorCode } from "../core/errors.ts";
import { first } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import { parseRetryAfter } from "../core/retry-after.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";
import {
  admit,
  type BreakerEvent,
  type BreakerRules,
  type BreakerState,
  closed,
  defaultRules,
  patienceOf,
  settle,
} from "./breaker-state.ts";
import { type Alarm, systemAlarm, withPatience } from "./patience.ts";

/** What a breaker needs to know of a request; both of upstream's kinds, UpstreamRequest and Hop, have it. */
export interface Attempt {
  readonly origin: Origin;
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly signal: AbortSignal;
}

export interface AnswerHead {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

export interface BreakerOptions {
  readonly clock: Clock;
  readonly alarm?: Alarm;
  readonly rules?: BreakerRules;
  /**
   * Whose quota a 429 is about, as a key that holds no credential; the scheme of the Authorization unless given. A registry that has had
   * enough of one account, or of the anonymous, still serves another.
   */
  readonly payer?: (attempt: Attempt) => string;
  /** Maps of this process alone unless given. */
  readonly share?: Share;
}

/** For metrics and the log. */
export interface BreakerChange {
  /** Name of the origin. */
  readonly origin: string;
  readonly state: BreakerState["kind"];
  /** What it failed with: an ErrorCode, or HTTP_5XX. Undefined for closed. */
  readonly code: string | undefined;
}

export interface Breaker {
  /** The same function, which fails at once with UPSTREAM_UNREACHABLE while the origin is known to fail, or with TOOMANYREQUESTS. */
  guard<Q extends Attempt, A>(
    send: (attempt: Q) => Promise<A>,
    head: (answer: A) => AnswerHead,
  ): (attempt: Q) => Promise<A>;
  state(origin: Origin): BreakerState["kind"];
  /** Every origin that is not closed. */
  list(): BreakerChange[];
  /** Called at each change of an origin's state. */
  onChange(listener: (change: BreakerChange) => void): void;
}

/** Origins, and quotas, that are kept in mind. */
const most = 1000;
/** A longer Retry-After is tried after this: quotas and mistakes are both over sooner than told. Milliseconds. */
const longestRetryAfter = 3_600_000;
/** Failures that say that an upstream cannot be reached, or not talked to. */
const failing: ReadonlySet<ErrorCode> = new Set([
  "UPSTREAM_UNRESOLVED",
  "UPSTREAM_UNREACHABLE",
  "UPSTREAM_TLS",
  "UPSTREAM_PROTOCOL",
  "UPSTREAM_TIMEOUT",
]);

/** A circuit breaker for each origin, by observation: nothing is sent that no request asked for. */
export function createBreaker(options: BreakerOptions): Breaker {
  const { clock, alarm = systemAlarm, rules = defaultRules, payer = schemeOf, share = ownMaps } = options;
  const states = share<BreakerState>("breakers", most);
  const told = share<number>("retry-after", most);
  const listeners: ((change: BreakerChange) => void)[] = [];

  const set = (origin: Origin, next: BreakerState): void => {
    const before = states.get(origin.name) ?? closed;
    if (isNews(before, next)) states.set(origin.name, next);
    if (before.kind === next.kind) return;
    for (const listener of listeners) listener(changeOf(origin.name, next));
  };
  const end = (origin: Origin, event: BreakerEvent): void => {
    set(origin, settle(states.get(origin.name) ?? closed, event, clock.now(), rules));
  };

  const guard: Breaker["guard"] = (send, head) => async (attempt) => {
    const { origin, signal } = attempt;
    const now = clock.now();
    const lane = laneOf(attempt, payer);
    const wait = told.get(lane) ?? 0;
    if (now < wait) throw tooMany(origin, wait - now);
    const { state, as } = admit(states.get(origin.name) ?? closed, now);
    if (as === "refused") throw unreachable(origin, state, now);
    set(origin, state);
    const probe = as === "probe";
    const limited = { host: origin.host, signal, milliseconds: patienceOf(state, now, rules) };
    try {
      const answer = await withPatience(limited, alarm, (limit) => send({ ...attempt, signal: limit }));
      const { status, headers } = head(answer);
      const retryAfter = parseRetryAfter(first(headers["retry-after"]), clock.now());
      if (status === 429 && retryAfter !== undefined) {
        told.set(lane, clock.now() + Math.min(retryAfter, longestRetryAfter));
      }
      end(origin, status >= 500 ? { type: "failed", probe, code: "HTTP_5XX", retryAfter } : { type: "answered" });
      return answer;
    } catch (error) {
      end(origin, eventOf(asEntrepotError(error).code, probe));
      throw error;
    }
  };

  return {
    guard,
    state: (origin) => (states.peek(origin.name) ?? closed).kind,
    list: () => [...states.entries()].filter(([, { kind }]) => kind !== "closed").map(([name, s]) => changeOf(name, s)),
    onChange: (listener) => void listeners.push(listener),
  };
}

/** Most answers are none; what is set is told to whoever shares it. */
function isNews(before: BreakerState, next: BreakerState): boolean {
  if (before.kind !== "closed" || next.kind !== "closed") return before !== next;
  return before.strikes !== next.strikes || before.failed !== next.failed;
}

function eventOf(code: ErrorCode, probe: boolean): BreakerEvent {
  if (failing.has(code)) return { type: "failed", probe, code };
  // It answered, if with redirects that lead nowhere.
  return code === "UPSTREAM_REDIRECTS" ? { type: "answered" } : { type: "released", probe };
}

/** Docker Hub counts GETs of manifests and nothing else: while they have to wait, HEADs and blobs do not. */
function laneOf(attempt: Attempt, payer: (attempt: Attempt) => string): string {
  const kind = attempt.path.includes("/manifests/") ? "manifest" : "other";
  return `${attempt.origin.name}|${attempt.method} ${kind}|${payer(attempt)}`;
}

function schemeOf({ authorization }: Attempt): string {
  return authorization === undefined ? "" : authorization.slice(0, authorization.search(/\s|$/)).toLowerCase();
}

function changeOf(origin: string, state: BreakerState): BreakerChange {
  return { origin, state: state.kind, code: state.kind === "closed" ? undefined : state.code };
}

function unreachable(origin: Origin, state: BreakerState, now: number): EntrepotError {
  const { code } = changeOf(origin.name, state);
  const left = state.kind === "open" ? Math.ceil((state.until - now) / 1000) : 0;
  const next = left > 0 ? `it is tried again in ${left} s` : "it is being tried again now";
  return new EntrepotError("UPSTREAM_UNREACHABLE", `${origin.host} failed several times in a row (${code}); ${next}.`, {
    detail: { failed: code, retryAfter: left },
  });
}

function tooMany(origin: Origin, left: number): EntrepotError {
  const seconds = Math.ceil(left / 1000);
  return new EntrepotError(
    "TOOMANYREQUESTS",
    `${origin.host} had too many requests and is asked again in ${seconds} s.`,
    {
      detail: { retryAfter: seconds },
    },
  );
}
