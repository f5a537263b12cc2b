import type { ContenderName } from "./contenders/contender.ts";
import { type Figure, per } from "./figures.ts";
import type { Sample } from "./round.ts";
import { type Summary, summarise } from "./stats.ts";

/** A figure of all rounds, per contender, and Entrepot's in parts of nginx's. */
export interface Row {
  readonly figure: Figure;
  readonly values: ReadonlyMap<ContenderName, Summary>;
  /** Of the ratios of each round, since the two ran within seconds of each other there. */
  readonly ratio: Summary | undefined;
}

export function summariseFigure(figure: Figure, samples: readonly Sample[]): Row {
  const mine = samples.filter((sample) => sample.case === figure.case);
  const direct = new Map(
    mine.filter((sample) => sample.contender === "direct").map((sample) => [sample.round, sample]),
  );
  const byContender = new Map<ContenderName, Map<number, number>>();
  for (const sample of mine) {
    const value = figure.value(sample, direct.get(sample.round));
    if (value === undefined) continue;
    const rounds = byContender.get(sample.contender) ?? new Map<number, number>();
    byContender.set(sample.contender, rounds.set(sample.round, value));
  }
  const values = new Map<ContenderName, Summary>();
  for (const [name, rounds] of byContender) {
    const summary = summarise([...rounds.values()]);
    if (summary) values.set(name, summary);
  }
  return { figure, values, ratio: summarise(ratios(byContender.get("entrepot"), byContender.get("nginx"))) };
}

function ratios(
  ours: ReadonlyMap<number, number> | undefined,
  theirs: ReadonlyMap<number, number> | undefined,
): number[] {
  return [...(ours ?? [])].flatMap(([round, value]) => per(value, theirs?.get(round)) ?? []);
}
