import type { Clock } from "../core/clock.ts";
import { redactTarget } from "./redact.ts";
import type { Trace } from "./trace.ts";

/** A trace that was kept, and when it ended. */
export interface RecentExchange extends Readonly<Trace> {
  /** Counts up from 1 for the process. */
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface Recent {
  add(trace: Trace): void;
  /** Newest first. */
  list(): RecentExchange[];
}

/** The last exchanges, at most `limit` of them. Kept as they are, and made fit to be shown only when somebody looks. */
export function createRecent(clock: Clock, limit = 100): Recent {
  const ring: { readonly trace: Trace; readonly number: number; readonly at: number }[] = [];
  let added = 0;
  return {
    add: (trace) => {
      // Whoever looks at the list, or asks whether we are well, would otherwise soon fill it.
      if (trace.kind === "own") return;
      ring[added % limit] = { trace, number: added + 1, at: clock.now() };
      added++;
    },
    list: () =>
      ring
        .toSorted((one, other) => other.number - one.number)
        .map(({ trace, number, at }) => ({ ...bounded(trace), number, at })),
  };
}

const longest = 256;

function bounded(trace: Trace): Trace {
  const kept: Trace = { ...trace, method: clip(trace.method), client: clip(trace.client) };
  if (trace.path !== undefined) kept.path = redactTarget(trace.path);
  if (trace.origin !== undefined) kept.origin = clip(trace.origin);
  if (trace.repository !== undefined) kept.repository = clip(trace.repository);
  if (trace.reference !== undefined) kept.reference = clip(trace.reference);
  if (trace.problem !== undefined) kept.problem = clip(trace.problem);
  return kept;
}

function clip(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}…`;
}
