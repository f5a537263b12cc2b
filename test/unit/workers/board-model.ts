import type { Digest } from "../../../src/core/digest.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { FlightBoard } from "../../../src/workers/flight-board.ts";

export const head = { size: 1000, mediaType: "application/octet-stream" };
export const nothing = { path: undefined, head: undefined, validator: undefined, visible: 0 };

interface Led {
  readonly worker: number;
  readonly number: number;
}

/**
 * Workers that do as workers do, and the board that they share. Each act throws where the board tells somebody what it must not; `check` where it
 * leaves somebody behind.
 */
export class BoardModel {
  readonly #digests: readonly Digest[];
  readonly #board: FlightBoard<number>;
  readonly #living = new Set<number>();
  /** By worker and digest: the number of the flight that it follows. */
  readonly #following = new Map<string, number>();
  readonly #leading = new Map<Digest, Led>();
  /** The processes in the places: one that died is replaced. */
  readonly #places: number[] = [];
  #born = 0;

  constructor(digests: readonly Digest[], places: number) {
    this.#digests = digests;
    this.#board = new FlightBoard<number>(
      {
        news: (worker, number, digest, news) => {
          this.#requireLiving(worker);
          const key = `${worker} ${digest}`;
          if (news.type !== "progress" && this.#following.get(key) === number) this.#following.delete(key);
        },
        takeOver: (worker, { digest, number }) => {
          this.#requireLiving(worker);
          const key = `${worker} ${digest}`;
          if (this.#following.get(key) !== number) throw new Error("One is to lead that did not follow.");
          this.#following.delete(key);
          this.#leading.set(digest, { worker, number });
        },
        followed: (worker) => this.#requireLiving(worker),
        orphaned: () => undefined,
      },
      { now: () => 0 },
      0,
    );
    for (let place = 0; place < places; place += 1) this.#bear(place);
  }

  act(what: string, place: number, digest: Digest): void {
    const worker = this.#places[place] as number;
    const led = this.#leading.get(digest);
    const mine = led?.worker === worker ? led : undefined;
    if (what === "die") this.#die(place);
    else if (what === "join" && mine === undefined) this.#join(worker, digest, led);
    else if (what === "current") this.#current(worker, digest, led);
    else if (what === "left") this.#leave(worker, digest);
    else if (mine !== undefined) this.#lead(what, mine, digest);
  }

  check(): void {
    for (const digest of this.#digests) {
      const led = this.#leading.get(digest);
      if (this.#board.leaderOf(digest) !== led?.worker) throw new Error("The board has another leader than there is.");
      const followed = [...this.#living].some((worker) => this.#following.has(`${worker} ${digest}`));
      if (followed && led === undefined) throw new Error("One follows what nobody leads.");
    }
  }

  #bear(place: number): void {
    this.#born += 1;
    this.#places[place] = this.#born;
    this.#living.add(this.#born);
  }

  #die(place: number): void {
    const worker = this.#places[place] as number;
    this.#living.delete(worker);
    for (const digest of this.#digests) {
      this.#following.delete(`${worker} ${digest}`);
      if (this.#leading.get(digest)?.worker === worker) this.#leading.delete(digest);
    }
    this.#board.died(worker);
    this.#bear(place);
  }

  #join(worker: number, digest: Digest, led: Led | undefined): void {
    const answer = this.#board.join(worker, digest, "origin", undefined);
    if (answer.as === "follow") this.#following.set(`${worker} ${digest}`, answer.flight.number);
    if (answer.as !== "lead") return;
    if (led !== undefined) throw new Error("Two lead at once.");
    this.#leading.set(digest, { worker, number: answer.number });
  }

  #current(worker: number, digest: Digest, led: Led | undefined): void {
    const flight = this.#board.current(worker, digest);
    const isOthers = led !== undefined && led.worker !== worker;
    if ((flight !== undefined) !== isOthers) throw new Error("A flight is hidden.");
    if (flight !== undefined) this.#following.set(`${worker} ${digest}`, flight.number);
  }

  #leave(worker: number, digest: Digest): void {
    const key = `${worker} ${digest}`;
    const number = this.#following.get(key);
    if (number === undefined) return;
    this.#following.delete(key);
    this.#board.left(worker, number, digest);
  }

  #lead(what: string, { worker, number }: Led, digest: Digest): void {
    if (what === "progress") {
      this.#board.progress(worker, number, digest, { ...nothing, path: "/spool", head });
      return;
    }
    this.#leading.delete(digest);
    if (what === "unable") {
      this.#following.set(`${worker} ${digest}`, number);
      this.#board.unable(worker, number, digest);
    } else if (what === "land") {
      this.#board.ended(worker, number, digest, { type: "landed", head, lost: undefined });
    } else {
      const error = new EntrepotError("UPSTREAM_UNREACHABLE", "Gone.");
      this.#board.ended(worker, number, digest, { type: "failed", error, failure: "upstream", most: undefined });
    }
  }

  #requireLiving(worker: number): void {
    if (!this.#living.has(worker)) throw new Error("A dead worker is told something.");
  }
}
