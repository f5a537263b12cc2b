import type { Body } from "../core/body.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";
import { Fill, type FillListener, type FillOptions } from "./fill.ts";
import { Follower, type Followed } from "./follower.ts";
import { LateBody } from "./late-body.ts";
import { BufferPool } from "./pool.ts";
import type { FillFetch, Flight, FlightHead, Flights, Store } from "./types.ts";

export interface FlightsOptions {
  readonly store: Store;
  readonly log: Log;
  /** What becomes of a flight whose last follower leaves: it goes on to its end (unless given), or stops. */
  readonly abandon?: "finish" | "stop";
  /** Bytes of each flight kept in memory for followers that are in step; 4 MiB unless given. */
  readonly window?: number;
  /** Milliseconds before each further attempt in a row at a body that broke; their number is the number of retries. */
  readonly retryDelays?: readonly number[];
  /** Milliseconds for which a landed flight can still be joined; 1000 unless given. */
  readonly linger?: number;
}

/** Flights, and what the rest of the program has to know of them. */
export interface FlightTable extends Flights {
  /** Flights in progress. */
  readonly active: number;
  /** Ends all flights, their followers get STOPPING. */
  stop(): void;
}

/** One buffer, of a window or of a follower that is behind. */
const slabSize = 256 * 1024;
/** Idle ones kept: 16 MiB. */
const idleSlabs = 64;

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
  #stopped = false;

  constructor(options: FlightsOptions) {
    this.log = options.log;
    this.abandon = options.abandon ?? "finish";
    this.#linger = options.linger ?? 1000;
    this.fill = {
      store: options.store,
      slabs: new BufferPool(slabSize, idleSlabs),
      window: options.window ?? 4 * 1024 * 1024,
      retryDelays: options.retryDelays ?? [0, 100, 500, 2000],
    };
  }

  get active(): number {
    return this.#flights.size;
  }

  current(digest: Digest): Flight | undefined {
    return this.#flights.get(digest);
  }

  join(digest: Digest, origin: string, fetch: FillFetch): { readonly flight: Flight; readonly leading: boolean } {
    // One that has just landed: who looked into the store before that and comes only now must not fetch it again.
    // Only at its own origin, which allowed it: at another one it is to be found in the store, and asked for there.
    const landed = this.#landed.get(digest);
    const found = this.#flights.get(digest) ?? (landed?.origin === origin ? landed : undefined);
    if (found !== undefined) return { flight: found, leading: false };
    const flight = new LiveFlight(digest, origin, fetch, this);
    if (this.#stopped) flight.stop(stopping());
    else {
      this.#flights.set(digest, flight);
      flight.start();
    }
    return { flight, leading: true };
  }

  stop(): void {
    this.#stopped = true;
    for (const flight of this.#flights.values()) flight.stop(stopping());
    for (const flight of this.#landed.values()) this.#forget(flight);
  }

  ended(flight: LiveFlight, landed: boolean): void {
    if (this.#flights.get(flight.digest) === flight) this.#flights.delete(flight.digest);
    if (!landed || this.#stopped || this.#linger === 0) {
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
  readonly #table: Table;
  readonly #head = Promise.withResolvers<FlightHead>();
  readonly #done = Promise.withResolvers<void>();
  /** Followers, and one for the table. The spool's descriptor goes with the last. */
  #holders = 1;
  #parked: Follower[] = [];

  constructor(digest: Digest, origin: string, fetch: FillFetch, table: Table) {
    this.digest = digest;
    this.origin = origin;
    this.#table = table;
    this.head = this.#head.promise;
    this.done = this.#done.promise;
    // Whoever listens gets them; that nobody does must not end the process.
    this.head.catch(() => undefined);
    this.done.catch(() => undefined);
    this.fill = new Fill(digest, fetch, table.fill, this);
  }

  start(): void {
    this.fill.start();
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
    return new Follower(this);
  }

  park(follower: Follower): void {
    this.#parked.push(follower);
  }

  leave(): void {
    const last = this.#holders === 2;
    this.free();
    if (last && this.#table.abandon === "stop" && this.#table.current(this.digest) === this) {
      this.stop(new EntrepotError("CANCELLED", "Everybody who waited for it went away."));
    }
  }

  free(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.fill.spool?.close();
  }

  followed(): boolean {
    return this.#holders > 1;
  }

  answered(head: FlightHead): void {
    this.#head.resolve(head);
  }

  advanced(): void {
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
    this.#table.ended(this, lost === undefined);
    if (lost === undefined) this.#done.resolve();
    else this.#done.reject(lost);
    this.advanced();
  }

  failed(error: Error): void {
    this.#table.ended(this, false);
    const code = error instanceof EntrepotError ? error.code : error.name;
    this.#table.log.debug({ event: "flight-failed", digest: this.digest, code }, "A fill ended without its content.");
    this.#head.reject(error);
    this.#done.reject(error);
    this.advanced();
  }
}

function stopping(): EntrepotError {
  return new EntrepotError("STOPPING", "The proxy is stopping. Try again in a moment.");
}
