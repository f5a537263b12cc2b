import { createHash } from "node:crypto";
import type { Leaders } from "../serve/leaders.ts";
import type { Settled } from "./claims.ts";

interface Turn<Worker> {
  readonly worker: Worker;
  readonly waiting: ((settled: Settled | undefined) => void)[];
}

/** The primary's table of who leads which question. */
export class LeaderBoard<Worker> {
  readonly #turns = new Map<string, Turn<Worker>>();

  /** Nothing where another one has it. */
  take(worker: Worker, key: string): void {
    if (!this.#turns.has(key)) this.#turns.set(key, { worker, waiting: [] });
  }

  /** Resolves when the question is answered; with undefined where nobody leads, or not to the end. */
  async follow(key: string): Promise<Settled | undefined> {
    const turn = this.#turns.get(key);
    return turn === undefined ? undefined : await new Promise((resolve) => turn.waiting.push(resolve));
  }

  settle(worker: Worker, key: string, settled: Settled | undefined): void {
    const turn = this.#turns.get(key);
    if (turn?.worker !== worker) return;
    this.#turns.delete(key);
    for (const tell of turn.waiting) tell(settled);
  }

  died(worker: Worker): void {
    for (const [key, turn] of this.#turns) if (turn.worker === worker) this.settle(worker, key, undefined);
  }
}

/** The way to it. */
export interface LeadersPort {
  take(key: string): void;
  settle(key: string, settled: Settled | undefined): void;
  follow(key: string): Promise<Settled | undefined>;
}

/** A worker's end. Those of one worker and one question take turns: the primary sees the first of them. */
export function sharedLeaders(port: LeadersPort): Leaders {
  const turns = new Map<string, number>();
  return {
    turn(key) {
      const hashed = hash(key);
      const running = turns.get(hashed) ?? 0;
      turns.set(hashed, running + 1);
      if (running === 0) port.take(hashed);
      const end = (settled: Settled | undefined): void => {
        const left = (turns.get(hashed) ?? 1) - 1;
        if (left === 0) turns.delete(hashed);
        else turns.set(hashed, left);
        if (settled !== undefined || left === 0) port.settle(hashed, settled);
      };
      return {
        began: (head) => {
          head.then(
            () => end({ value: undefined }),
            (error: unknown) => end({ error }),
          );
        },
        passed: () => end(undefined),
      };
    },
    async follow(key) {
      const settled = await port.follow(hash(key));
      if (settled === undefined) return "none";
      if ("error" in settled) throw settled.error;
      return "answered";
    },
  };
}

/** A key may hold a credential. */
function hash(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}
