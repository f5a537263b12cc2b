import type { Bound } from "./cases/case.ts";
import { titles } from "./contenders/contender.ts";
import type { Row } from "./rows.ts";
import type { Summary } from "./stats.ts";

/** One expectation and what was found. */
export interface Verdict {
  /** What of: the ratio to the yardstick, or Entrepot's own figure, or that with two workers to that with one. */
  readonly of: string;
  readonly bound: string;
  readonly found: Summary | undefined;
  /** Undefined where nothing was measured. */
  readonly kept: boolean | undefined;
}

export function verdicts({ figure, ratio, values, workers }: Row): Verdict[] {
  return [
    ...(figure.target ? [judge("", figure.target, ratio)] : []),
    ...(figure.own ? [judge("Entrepot ", figure.own, values.get("entrepot"))] : []),
    ...(figure.workers && values.has("entrepot-2")
      ? [judge(`${titles["entrepot-2"]} / 1 `, figure.workers, workers)]
      : []),
  ];
}

function judge(of: string, bound: Bound, found: Summary | undefined): Verdict {
  const words = Object.entries(bound).map(([kind, value]) => `${kinds[kind] ?? kind} ${value}`);
  return { of, bound: words.join(), found, kept: found && keeps(bound, found) };
}

const kinds: Readonly<Record<string, string>> = { atMost: "at most", atLeast: "at least", exactly: "exactly" };

function keeps(bound: Bound, { median, min, max }: Summary): boolean {
  if ("atMost" in bound) return median <= bound.atMost;
  if ("atLeast" in bound) return median >= bound.atLeast;
  return min === bound.exactly && max === bound.exactly;
}
