import { createHash } from "node:crypto";
import type { Leaders } from "../serve/leaders.ts";
import type { Settled } from "./claims.ts";

interface Turn<Worker> {
  /** One of them leads, or will; the others have yet to hear that they do not. */
  readonly workers: Set<Worker>;
  readonly waiting: ((settled: Settled | undefined) => void)[];
}

/** The primary's table of who leads which question. */
export class LeaderBoard<Worker> {
  readonly #turns = new Map<string, Turn<Worker>>();

  /** Which of several comes to lead is not said here. */
  take(worker: Worker, key: string): void {
    let turn = this.#turns.get(key);
    if (turn === undefined) this.#turns.set(key, (turn = { workers: new Set(), waiting: [] }));
    turn.workers.add(worker);
  }

  /** Resolves when the question is answered; with undefined where nobody leads, or not to the end. */
  async follow(key: string): Promise<Settled | undefined> {
    const turn = this.#turns.get(key);
    return turn === undefined ? undefined : await new Promise((resolve) => turn.waiting.push(resolve));
  }

  /** Without an answer it says that this worker does not lead, or has not to the end. */
  settle(worker: Worker, key: string, settled: Settled | undefined): void {
    const turn = this.#turns.get(key);
    if (turn === undefined || !turn.workers.delete(worker)) return;
    if (settled === undefined && turn.workers.size > 0) return;
    this.#turns.delete(key);
    for (const tell of turn.waiting) tell(settled);
  }

  died(worker: Worker): void {
    for (const key of this.#turns.keys()) this.settle(worker, key, undefined);
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
