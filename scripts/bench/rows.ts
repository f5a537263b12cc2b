import type { Case, Figure } from "./cases/case.ts";
import { per } from "./cases/figures.ts";
import type { ContenderName } from "./contenders/contender.ts";
import type { Sample } from "./round.ts";
import { type Summary, summarise } from "./stats.ts";

/** A figure of all rounds, per contender, and ratios of contenders. */
export interface Row {
  readonly figure: Figure;
  readonly values: ReadonlyMap<ContenderName, Summary>;
  /** Each contender's in parts of the yardstick's. */
  readonly relative: ReadonlyMap<ContenderName, Summary>;
  /** Entrepot's in parts of the yardstick's. Of the ratios of each round, since the two ran within seconds of each other there. */
  readonly ratio: Summary | undefined;
  /** Entrepot's with two workers in parts of that with one, likewise. */
  readonly workers: Summary | undefined;
}

export function summariseFigures(each: Case, samples: readonly Sample[]): Row[] {
  const mine = samples.filter((sample) => sample.case === each.name);
  return each.figures.map((figure) => summariseFigure(figure, each.yardstick, mine));
}

function summariseFigure(figure: Figure, yardstick: ContenderName, samples: readonly Sample[]): Row {
  const direct = new Map(
    samples.filter((sample) => sample.contender === "direct").map((sample) => [sample.round, sample]),
  );
  const byContender = new Map<ContenderName, Map<number, number>>();
  for (const sample of samples) {
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
  const ratio = (ours: ContenderName, theirs: ContenderName): Summary | undefined =>
    summarise(ratios(byContender.get(ours), byContender.get(theirs)));
  const relative = new Map<ContenderName, Summary>();
  for (const name of byContender.keys()) {
    const summary = ratio(name, yardstick);
    if (summary) relative.set(name, summary);
  }
  return { figure, values, relative, ratio: relative.get("entrepot"), workers: ratio("entrepot-2", "entrepot") };
}

function ratios(
  ours: ReadonlyMap<number, number> | undefined,
  theirs: ReadonlyMap<number, number> | undefined,
): number[] {
  return [...(ours ?? [])].flatMap(([round, value]) => per(value, theirs?.get(round)) ?? []);
}
