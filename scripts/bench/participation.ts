import type { Case } from "./cases/case.ts";
import type { ContenderName } from "./contenders/contender.ts";
import type { Plan } from "./plan.ts";

/** Whether a contender takes its turn at a case in a round; 0 is the warm-up. Those that nothing is expected of need fewer rounds. */
export function takesPart(plan: Plan, { rounds, yardstick }: Case, name: ContenderName, round: number): boolean {
  if (round > (rounds ?? plan.rounds)) return false;
  const judged: readonly ContenderName[] = ["entrepot", "entrepot-2", "direct", yardstick];
  return round <= plan.othersRounds || judged.includes(name);
}

interface Turn {
  readonly case: Case;
  readonly name: ContenderName;
  readonly milliseconds: number;
}

/** How long rounds took, turn by turn. */
export class Durations {
  readonly #plan: Plan;
  readonly #rounds = new Map<number, Turn[]>();

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  note(round: number, turn: Turn): void {
    const turns = this.#rounds.get(round);
    if (turns === undefined) this.#rounds.set(round, [turn]);
    else turns.push(turn);
  }

  /** Milliseconds of the longest measured round so far, had only those taken their turns that take part in `round`. */
  expected(round: number): number {
    const sums = [...this.#rounds].map(([before, turns]) =>
      before === 0
        ? 0
        : turns
            .filter((turn) => takesPart(this.#plan, turn.case, turn.name, round))
            .reduce((sum, { milliseconds }) => sum + milliseconds, 0),
    );
    return Math.max(0, ...sums);
  }
}
