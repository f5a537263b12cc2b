import type { Body } from "../core/body.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";
import { Circuit } from "./circuit.ts";
import { Fill } from "./fill.ts";
import type { FillListener, FillOptions } from "./fill-parts.ts";
import { Follower, type Followed } from "./follower.ts";
import { LateBody } from "./late-body.ts";
import { type BufferPool, pieceBuffers } from "./pool.ts";
import type { Left } from "./resume.ts";
import { roomDelays } from "./room.ts";
import type { FillFetch, Flight, FlightHead, Flights, Joined, Room, WatchedStore } from "./types.ts";

export interface FlightsOptions {
  readonly store: WatchedStore;
  readonly log: Log;
  /** What becomes of a flight whose last follower leaves: it goes on to its end (unless given), or stops. */
  readonly abandon?: "finish" | "stop";
  /** Bytes of each flight kept in memory for followers that are in step; 4 MiB unless given. */
  readonly window?: number;
  /** Milliseconds before each further attempt in a row at a body that broke; their number is the number of retries. */
  readonly retryDelays?: readonly number[];
  /** Milliseconds for which a landed flight can still be joined; 1000 unless given. */
  readonly linger?: number;
  readonly clock?: Clock;
  /** Whom to ask for disk space; without it, a disk that is full is full. */
  readonly room?: Room;
  /** Milliseconds before each further attempt at a write for which room was made. */
  readonly roomDelays?: readonly number[];
  /** Milliseconds for which, on a full disk, a slow follower may hold up the others; 5000 unless given. */
  readonly patience?: number;
  /** Is told of each flight, for those who follow it in other processes. */
  readonly watch?: FlightWatch;
  /** false: whether a flight may start is decided elsewhere. */
  readonly circuits?: boolean;
}

/** A flight as one who watches it sees it. */
export interface WatchedFlight {
  readonly digest: Digest;
  /** Once the upstream has answered. */
  readonly answer: FlightHead | undefined;
  readonly fill: Pick<Fill, "state" | "spool" | "lostDisk">;
  follow(): Body;
}

export interface FlightWatch {
  /** It has its head, or more bytes are visible, or its disk takes no more. */
  advanced(flight: WatchedFlight): void;
  /** `lost`: why the store could not adopt it. */
  landed(flight: WatchedFlight, lost: Error | undefined): void;
  failed(flight: WatchedFlight, error: Error): void;
}

/** Flights, and what the rest of the program has to know of them. */
export interface FlightTable extends Flights {
  current(digest: Digest): Flight | undefined;
  join(digest: Digest, origin: string, fetch: FillFetch, expected?: number): Joined;
  /** Flights in progress. */
  readonly active: number;
  /** Joins one that is in progress, or has just landed, and starts none. */
  find(digest: Digest, origin: string): Flight | undefined;
  /** Its content left the store: nobody is to join it any more, and its file is to be let go of. */
  removed(digest: Digest): void;
  /** Starts one with what another process had fetched of it. */
  resume(digest: Digest, origin: string, fetch: FillFetch, left: Left): Flight;
  /** Starts one that nobody is to join, though there may be another: with a disk that fails, each process is on its own. */
  alone(digest: Digest, origin: string, fetch: FillFetch): Flight;
  /** Ends all flights, their followers get STOPPING. */
  stop(): void;
}

/**
 * The table of flights: at most one for a digest. A flight leaves it when its content is in the store or when it failed, in the very
 * moment, so that the next request finds the one or starts anew.
 */
export function createFlights(options: FlightsOptions): FlightTable {
  return new Table(options);
}

class Table implements FlightTable {
  readonly log: Log;
  readonly abandon: "finish" | "stop";
  readonly fill: FillOptions;
  readonly #linger: number;
  readonly #flights = new Map<Digest, LiveFlight>();
  readonly #landed = new Map<Digest, LiveFlight>();
  readonly watch: FlightWatch | undefined;
  readonly #circuits: boolean;
  readonly #circuit: Circuit;
  /** Of those alone who expect the same: whether the manifest or the upstream is wrong is not known. */
  readonly #disbelieved: Circuit;
  #stopped = false;

  constructor(options: FlightsOptions) {
    this.log = options.log;
    this.abandon = options.abandon ?? "finish";
    this.watch = options.watch;
    this.#circuits = options.circuits ?? true;
    this.#linger = options.linger ?? 1000;
    this.fill = {
      store: options.store,
      slabs: pieceBuffers,
      window: options.window ?? 4 * 1024 * 1024,
      retryDelays: options.retryDelays ?? [0, 100, 500, 2000],
      room: options.room,
      roomDelays: options.roomDelays ?? roomDelays,
      patience: options.patience ?? 5000,
    };
    this.#circuit = new Circuit(options.clock ?? systemClock);
    this.#disbelieved = new Circuit(options.clock ?? systemClock);
    options.store.watch({
      used: () => undefined,
      // Evicted: its descriptor would keep the disk's space. Damaged or wiped: it is to be fetched anew.
      removed: (digest) => this.removed(digest),
    });
  }

  get active(): number {
    return this.#flights.size;
  }

  current(digest: Digest): Flight | undefined {
    const flight = this.#flights.get(digest);
    return flight?.fill.lost === undefined ? flight : undefined;
  }

  has(flight: LiveFlight): boolean {
    return this.#flights.get(flight.digest) === flight;
  }

  join(digest: Digest, origin: string, fetch: FillFetch, expected?: number): Joined {
    const found = this.#find(digest, origin);
    const refusal = found === undefined ? this.#refusal(digest, origin, expected) : found.fill.lost;
    if (found !== undefined && refusal === undefined) return { flight: found, leading: false };
    const flight = new LiveFlight(digest, origin, fetch, this, expected);
    const none = this.#stopped ? stopping() : refusal;
    if (none !== undefined) flight.stop(none);
    else {
      this.#flights.set(digest, flight);
      flight.start();
    }
    return { flight, leading: true };
  }

  removed(digest: Digest): void {
    const landed = this.#landed.get(digest);
    if (landed !== undefined) this.#forget(landed);
  }

  find(digest: Digest, origin: string): Flight | undefined {
    const found = this.#find(digest, origin);
    return found?.fill.lost === undefined ? found : undefined;
  }

  #find(digest: Digest, origin: string): LiveFlight | undefined {
    // One that has just landed: who looked into the store before that and comes only now must not fetch it again.
    // Only at its own origin, which allowed it: at another one it is to be found in the store, and asked for there.
    const landed = this.#landed.get(digest);
    return this.#flights.get(digest) ?? (landed?.origin === origin ? landed : undefined);
  }

  resume(digest: Digest, origin: string, fetch: FillFetch, left: Left): Flight {
    const flight = new LiveFlight(digest, origin, fetch, this, left.expected);
    this.#flights.set(digest, flight);
    flight.resume(left);
    return flight;
  }

  alone(digest: Digest, origin: string, fetch: FillFetch): Flight {
    const flight = new LiveFlight(digest, origin, fetch, this, undefined);
    flight.start();
    return flight;
  }

  #refusal(digest: Digest, origin: string, expected: number | undefined): EntrepotError | undefined {
    if (!this.#circuits) return undefined;
    const known = this.#circuit.refusal(digest, origin);
    return (
      known ?? (expected === undefined ? undefined : this.#disbelieved.refusal(digest, believer(origin, expected)))
    );
  }

  stop(): void {
    this.#stopped = true;
    for (const flight of this.#flights.values()) flight.stop(stopping());
    for (const flight of this.#landed.values()) this.#forget(flight);
  }

  /** `error`: why there is nothing to be joined. */
  ended(flight: LiveFlight, error: Error | undefined): void {
    if (this.has(flight)) {
      this.#flights.delete(flight.digest);
      const { phase, failure, most } = flight.fill.state;
      if (phase === "landed") this.#circuit.succeeded(flight.digest);
      else if (error !== undefined && failure === "unexpected")
        this.#disbelieved.failed(flight.digest, believer(flight.origin, most), error);
      // A connection that breaks again and again says nothing of the content.
      else if (error !== undefined && failure !== "upstream") this.#circuit.failed(flight.digest, flight.origin, error);
    }
    if (error !== undefined || this.#stopped || this.#linger === 0) {
      flight.free();
      return;
    }
    this.#landed.set(flight.digest, flight);
    setTimeout(() => this.#forget(flight), this.#linger).unref();
  }

  #forget(flight: LiveFlight): void {
    if (this.#landed.get(flight.digest) !== flight) return;
    this.#landed.delete(flight.digest);
    flight.free();
  }
}

class LiveFlight implements Flight, Followed, FillListener {
  readonly digest: Digest;
  readonly origin: string;
  readonly head: Promise<FlightHead>;
  readonly done: Promise<void>;
  readonly fill: Fill;
  answer: FlightHead | undefined;
  readonly #table: Table;
  readonly #head = Promise.withResolvers<FlightHead>();
  readonly #done = Promise.withResolvers<void>();
  /** Followers, and one for the table. The spool's descriptor goes with the last. */
  #holders = 1;
  readonly #followers = new Set<Follower>();
  #parked: Follower[] = [];

  constructor(digest: Digest, origin: string, fetch: FillFetch, table: Table, expected: number | undefined) {
    this.digest = digest;
    this.origin = origin;
    this.#table = table;
    this.head = this.#head.promise;
    this.done = this.#done.promise;
    // Whoever listens gets them; that nobody does must not end the process.
    this.head.catch(() => undefined);
    this.done.catch(() => undefined);
    this.fill = new Fill(digest, fetch, table.fill, this, expected);
  }

  start(): void {
    this.fill.start();
  }

  resume(left: Left): void {
    const { size, mediaType } = left;
    this.answer = { size, mediaType };
    this.#head.resolve(this.answer);
    this.fill.resume(left);
  }

  stop(error: Error): void {
    this.fill.stop(error);
  }

  get readBuffers(): BufferPool {
    return this.#table.fill.slabs;
  }

  follow(): Body {
    if (this.#holders === 0 && this.fill.state.phase === "landed") {
      return new LateBody(this.#table.fill.store, this.digest, this.fill.state.size);
    }
    this.#holders += 1;
    const follower = new Follower(this);
    this.#followers.add(follower);
    return follower;
  }

  park(follower: Follower): void {
    this.#parked.push(follower);
  }

  leave(follower: Follower): void {
    const last = this.#followers.delete(follower) && this.#followers.size === 0;
    this.free();
    this.fill.pace();
    if (last && this.#table.abandon === "stop" && this.#table.has(this)) {
      this.stop(new EntrepotError("CANCELLED", "Everybody who waited for it went away."));
    }
  }

  free(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.fill.close();
  }

  followed(): boolean {
    return this.#followers.size > 0;
  }

  needs(): Iterable<number> {
    return Array.from(this.#followers, (follower) => follower.needs);
  }

  drop(before: number): void {
    for (const follower of this.#followers) {
      if (follower.needs >= before) continue;
      this.#followers.delete(follower);
      follower.drop();
    }
  }

  answered(head: FlightHead): void {
    this.answer = head;
    this.#head.resolve(head);
    if (this.#table.has(this)) this.#table.watch?.advanced(this);
  }

  advanced(): void {
    if (this.#table.has(this)) this.#table.watch?.advanced(this);
    const parked = this.#parked;
    this.#parked = [];
    for (const follower of parked) {
      try {
        follower.wake();
      } catch (error) {
        // One receiver's fault is not the others'.
        this.#table.log.error({ event: "follower-failed", err: error }, "A reader of a fill failed; the others go on.");
        follower.close();
      }
    }
  }

  landed(lost: Error | undefined): void {
    const watched = this.#table.has(this);
    this.#table.ended(this, lost);
    if (watched) this.#table.watch?.landed(this, lost);
    if (lost === undefined) this.#done.resolve();
    else this.#done.reject(lost);
    this.advanced();
  }

  failed(error: Error): void {
    const watched = this.#table.has(this);
    this.#table.ended(this, error);
    if (watched) this.#table.watch?.failed(this, error);
    const code = error instanceof EntrepotError ? error.code : error.name;
    this.#table.log.debug({ event: "flight-failed", digest: this.digest, code }, "A fill ended without its content.");
    this.#head.reject(error);
    this.#done.reject(error);
    this.advanced();
  }
}

function believer(origin: string, expected: number | undefined): string {
  return `${origin} ${expected}`;
}

function stopping(): EntrepotError {
  return new EntrepotError("STOPPING", "The proxy is stopping. Try again in a moment.");
}
