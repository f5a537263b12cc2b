/** The turn of who is about to lead a flight: nobody else asks its question meanwhile. */
export interface LeadTurn {
  /** The flight's head is the question's answer. */
  began(head: Promise<unknown>): void;
  /** Another one leads, or there is no need to. */
  passed(): void;
}

/**
 * Who leads flights, by the question that their first answer settles: who asks the same meanwhile with the same credential waits for it instead of
 * asking himself. A port: the leader may be in another process.
 */
export interface Leaders {
  turn(key: string): LeadTurn;
  /** Resolves with "none" where nobody leads, with "answered" when the head is there; rejects as the head does. */
  follow(key: string): Promise<"none" | "answered">;
}

/** Of this process. */
export class OwnLeaders implements Leaders {
  readonly #heads = new Map<string, Promise<unknown>>();

  turn(key: string): LeadTurn {
    return {
      began: (head) => {
        this.#heads.set(key, head);
        const forget = (): void => {
          if (this.#heads.get(key) === head) this.#heads.delete(key);
        };
        head.then(forget, forget);
      },
      passed: () => undefined,
    };
  }

  async follow(key: string): Promise<"none" | "answered"> {
    const head = this.#heads.get(key);
    if (head === undefined) return "none";
    await head;
    return "answered";
  }
}
