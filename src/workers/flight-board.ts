import { Circuit } from "../cache/circuit.ts";
import type { FlightFailure } from "../cache/flight-state.ts";
import type { FlightHead } from "../cache/types.ts";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import { LookAgain } from "../serve/look-again.ts";

/** How far a flight is. */
export interface Progress {
  /** The spool, where there is one yet. */
  readonly path: string | undefined;
  /** Once the upstream has answered. */
  readonly head: FlightHead | undefined;
  readonly validator: string | undefined;
  /** Bytes open to followers. */
  readonly visible: number;
}

export interface FlightInfo extends Progress {
  /** Tells it from earlier ones of the same digest. */
  readonly number: number;
  readonly digest: Digest;
  readonly origin: string;
  /** Bytes that it may have at most. */
  readonly expected: number | undefined;
}

export type JoinAnswer =
  | { readonly as: "lead"; readonly number: number }
  | { readonly as: "follow"; readonly flight: FlightInfo }
  /** Its content is in the store. */
  | { readonly as: "landed"; readonly head: FlightHead }
  | { readonly as: "refused"; readonly error: Error };

/** What became of a flight. `lost`: why the store could not adopt it. */
export type FlightEnd =
  | { readonly type: "landed"; readonly head: FlightHead; readonly lost: Error | undefined }
  | {
      readonly type: "failed";
      readonly error: Error;
      readonly failure: FlightFailure | undefined;
      readonly most: number | undefined;
    };

/** What its followers in other workers are told. split: from here on they get nothing from its leader, whose disk is full. */
export type FlightNews =
  | ({ readonly type: "progress" } & Progress)
  | { readonly type: "split" }
  | Extract<FlightEnd, { type: "landed" }>
  | Pick<Extract<FlightEnd, { type: "failed" }>, "type" | "error">;

/** What the board has to say to workers. */
export interface BoardOutput<Worker> {
  news(worker: Worker, number: number, digest: Digest, news: FlightNews): void;
  /** The leader is gone: go on in its place, from what the spool has. */
  takeOver(worker: Worker, flight: FlightInfo): void;
  /** Workers besides the leader that follow. */
  followed(worker: Worker, number: number, digest: Digest, by: number): void;
  /** A spool that nobody goes on with. */
  orphaned(path: string): void;
}

interface Entry<Worker> {
  info: FlightInfo;
  leader: Worker;
  readonly followers: Set<Worker>;
  /** Those that could not take it over. */
  readonly unable: Set<Worker>;
  /** Why newcomers cannot be served from it. */
  lost: Error | undefined;
}

/** The primary's table: at most one flight for a digest in the whole instance, whoever of its workers leads it. */
export class FlightBoard<Worker> {
  readonly #out: BoardOutput<Worker>;
  readonly #linger: number;
  readonly #flights = new Map<Digest, Entry<Worker>>();
  readonly #landed = new Map<Digest, { readonly origin: string; readonly head: FlightHead }>();
  readonly #circuit: Circuit;
  readonly #disbelieved: Circuit;
  #started = 0;

  /** `linger`: milliseconds for which a landed flight can still be joined. */
  constructor(out: BoardOutput<Worker>, clock: Clock, linger = 1000) {
    this.#out = out;
    this.#linger = linger;
    this.#circuit = new Circuit(clock);
    this.#disbelieved = new Circuit(clock);
  }

  get active(): number {
    return this.#flights.size;
  }

  has(digest: Digest): boolean {
    return this.#flights.has(digest);
  }

  /** Whether a flight writes this file. */
  hasSpool(path: string): boolean {
    for (const { info } of this.#flights.values()) if (info.path === path) return true;
    return false;
  }

  /** Whether one of these has landed a moment ago. */
  hasLanded(digest: Digest): boolean {
    return this.#landed.has(digest);
  }

  leaderOf(digest: Digest): Worker | undefined {
    return this.#flights.get(digest)?.leader;
  }

  /** The flight that the worker can follow, and follows from now on. */
  current(worker: Worker, digest: Digest): FlightInfo | undefined {
    const entry = this.#flights.get(digest);
    if (entry === undefined || entry.leader === worker || entry.lost !== undefined) return undefined;
    return this.#follow(worker, entry);
  }

  join(worker: Worker, digest: Digest, origin: string, expected: number | undefined): JoinAnswer {
    const entry = this.#flights.get(digest);
    if (entry?.lost !== undefined) return { as: "refused", error: entry.lost };
    // One that asks for what it leads has lost sight of it.
    if (entry !== undefined && entry.leader !== worker) return { as: "follow", flight: this.#follow(worker, entry) };
    const landed = this.#landed.get(digest);
    if (landed?.origin === origin) return { as: "landed", head: landed.head };
    const refusal =
      this.#circuit.refusal(digest, origin) ??
      (expected === undefined ? undefined : this.#disbelieved.refusal(digest, believer(origin, expected)));
    if (refusal !== undefined) return { as: "refused", error: refusal };
    this.#started += 1;
    const start = { path: undefined, head: undefined, validator: undefined, visible: 0 };
    const info: FlightInfo = { number: this.#started, digest, origin, expected, ...start };
    const followers = entry?.followers ?? new Set();
    this.#flights.set(digest, { info, leader: worker, followers, unable: new Set(), lost: undefined });
    return { as: "lead", number: info.number };
  }

  progress(worker: Worker, number: number, digest: Digest, progress: Progress): void {
    const entry = this.#led(worker, number, digest);
    if (entry === undefined) return;
    entry.info = { ...entry.info, ...progress };
    this.#tell(entry, { type: "progress", ...progress });
  }

  /** The leader's disk takes no more: its own followers go on from memory, the others by themselves. */
  split(worker: Worker, number: number, digest: Digest, lost: Error): void {
    const entry = this.#led(worker, number, digest);
    if (entry === undefined) return;
    entry.lost = lost;
    this.#tell(entry, { type: "split" });
    entry.followers.clear();
  }

  ended(worker: Worker, number: number, digest: Digest, end: FlightEnd): void {
    const entry = this.#led(worker, number, digest);
    if (entry === undefined) return;
    this.#flights.delete(digest);
    const { origin } = entry.info;
    if (end.type === "landed") {
      this.#circuit.succeeded(digest);
      if (end.lost === undefined) this.#keepLanded(digest, origin, end.head);
      this.#tell(entry, end);
    } else {
      const { error, failure, most } = end;
      if (failure === "unexpected") this.#disbelieved.failed(digest, believer(origin, most), error);
      // A connection that breaks again and again says nothing of the content.
      else if (failure !== "upstream") this.#circuit.failed(digest, origin, error);
      this.#tell(entry, { type: "failed", error });
    }
  }

  /** Nobody at the worker follows any longer. */
  left(worker: Worker, number: number, digest: Digest): void {
    const entry = this.#flights.get(digest);
    if (entry?.info.number === number && entry.followers.delete(worker)) this.#counted(entry);
  }

  /** A worker could not take the flight over: nobody there has a way to fetch it, or the spool is gone. */
  unable(worker: Worker, number: number, digest: Digest): void {
    const entry = this.#led(worker, number, digest);
    if (entry === undefined) return;
    entry.followers.add(worker);
    entry.unable.add(worker);
    this.#succeed(entry);
  }

  died(worker: Worker): void {
    for (const entry of this.#flights.values()) {
      const followed = entry.followers.delete(worker);
      if (entry.leader === worker) this.#succeed(entry);
      else if (followed) this.#counted(entry);
    }
  }

  /** Content left the store: who joins now is to fetch it anew. */
  removed(digest: Digest): void {
    this.#landed.delete(digest);
  }

  #follow(worker: Worker, entry: Entry<Worker>): FlightInfo {
    if (!entry.followers.has(worker)) {
      entry.followers.add(worker);
      this.#counted(entry);
    }
    return entry.info;
  }

  #counted({ leader, info, followers }: Entry<Worker>): void {
    this.#out.followed(leader, info.number, info.digest, followers.size);
  }

  #succeed(entry: Entry<Worker>): void {
    const { info, followers, unable } = entry;
    const next = [...followers].find((worker) => !unable.has(worker));
    if (next === undefined) {
      this.#flights.delete(info.digest);
      if (info.path !== undefined) this.#out.orphaned(info.path);
      this.#tell(entry, { type: "failed", error: new LookAgain() });
      return;
    }
    followers.delete(next);
    entry.leader = next;
    this.#out.takeOver(next, info);
    if (followers.size > 0) this.#counted(entry);
  }

  #led(worker: Worker, number: number, digest: Digest): Entry<Worker> | undefined {
    const entry = this.#flights.get(digest);
    return entry?.leader === worker && entry.info.number === number ? entry : undefined;
  }

  #tell({ followers, info }: Entry<Worker>, news: FlightNews): void {
    for (const worker of followers) this.#out.news(worker, info.number, info.digest, news);
  }

  #keepLanded(digest: Digest, origin: string, head: FlightHead): void {
    if (this.#linger === 0) return;
    const kept = { origin, head };
    this.#landed.set(digest, kept);
    setTimeout(() => {
      if (this.#landed.get(digest) === kept) this.#landed.delete(digest);
    }, this.#linger).unref();
  }
}

function believer(origin: string, expected: number | undefined): string {
  return `${origin} ${expected}`;
}
