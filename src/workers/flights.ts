import { type FlightsOptions, createFlights, type FlightTable, type WatchedFlight } from "../cache/flight.ts";
import { lostError } from "../cache/flight-errors.ts";
import { contentPath } from "../cache/layout.ts";
import { hashOf } from "../cache/resume.ts";
import type { DiskStorage } from "../cache/disk.ts";
import type { FillFetch, Flight, Flights, Joined } from "../cache/types.ts";
import type { Body } from "../core/body.ts";
import type { Digest } from "../core/digest.ts";
import { asEntrepotError } from "../core/errors.ts";
import type { FlightEnd, FlightInfo, FlightNews, JoinAnswer, Progress } from "./flight-board.ts";
import { RemoteFlight } from "./remote-flight.ts";
import { SpoolReader } from "./spool-reader.ts";

/** The way to the primary's board. */
export interface BoardPort {
  /** `first` sees the answer before any news of the flight. */
  current(digest: Digest, first: (flight: FlightInfo | undefined) => void): Promise<unknown>;
  join(
    digest: Digest,
    origin: string,
    expected: number | undefined,
    first: (answer: JoinAnswer) => void,
  ): Promise<unknown>;
  progress(number: number, digest: Digest, progress: Progress): void;
  split(number: number, digest: Digest, lost: Error): void;
  ended(number: number, digest: Digest, end: FlightEnd): void;
  left(number: number, digest: Digest): void;
  unable(number: number, digest: Digest): void;
}

export interface WorkerFlightsOptions extends Omit<FlightsOptions, "watch" | "circuits" | "store"> {
  readonly store: DiskStorage;
  readonly directory: string;
  readonly port: BoardPort;
}

/** A flight that this worker leads. */
interface Led {
  readonly number: number;
  /** Holds the flight for those who follow in other workers. */
  others: Body | undefined;
  /** Bytes that these were told of last. */
  told: number;
  /** Set while they have been told a moment ago. */
  quiet: NodeJS.Timeout | undefined;
  /** Whether they were told of its head, and where its spool is. */
  introduced: boolean;
}

/** Milliseconds between two messages about one flight: however many pieces come and however many follow. */
const tellEvery = 4;

/** The flights as a worker sees them: those that it leads, and those that others lead, which the primary's board knows. */
export class WorkerFlights implements Flights {
  readonly #options: WorkerFlightsOptions;
  readonly #port: BoardPort;
  readonly #table: FlightTable;
  readonly #led = new Map<Digest, Led>();
  readonly #remote = new Map<Digest, RemoteFlight>();
  readonly #joining = new Map<Digest, Promise<unknown>>();
  readonly #watched = new Map<Digest, WatchedFlight>();
  /** How many follow a flight that is being taken over. */
  readonly #awaited = new Map<Digest, { readonly number: number; readonly by: number }>();

  constructor(options: WorkerFlightsOptions) {
    this.#options = options;
    this.#port = options.port;
    const watch = {
      advanced: (flight: WatchedFlight) => this.#advanced(flight),
      landed: (flight: WatchedFlight, lost: Error | undefined) => {
        const { mediaType = "" } = flight.answer ?? {};
        this.#end(flight, { type: "landed", head: { size: flight.fill.state.visible, mediaType }, lost });
      },
      failed: (flight: WatchedFlight, error: Error) => {
        const { failure, most } = flight.fill.state;
        this.#end(flight, { type: "failed", error, failure, most });
      },
    };
    this.#table = createFlights({ ...options, watch, circuits: false });
  }

  /** Those that this worker leads. */
  get active(): number {
    return this.#table.active;
  }

  current(digest: Digest): Flight | undefined | Promise<Flight | undefined> {
    const near = this.#table.current(digest) ?? this.#open(digest);
    if (near !== undefined) return near;
    let found: Flight | undefined;
    const asked = this.#port.current(digest, (info) => {
      if (info !== undefined)
        found = this.#table.current(digest) ?? this.#open(digest) ?? this.#mirror(info, undefined);
    });
    return asked.then(
      () => found,
      () => undefined,
    );
  }

  join(digest: Digest, origin: string, fetch: FillFetch, expected?: number): Joined | Promise<Joined> {
    const near = this.#table.find(digest, origin) ?? this.#open(digest);
    return near === undefined ? this.#join(digest, origin, fetch, expected) : { flight: near, leading: false };
  }

  async #join(digest: Digest, origin: string, fetch: FillFetch, expected: number | undefined): Promise<Joined> {
    const before = this.#joining.get(digest);
    if (before !== undefined) {
      await before;
      return this.join(digest, origin, fetch, expected);
    }
    let joined: Joined | undefined;
    const asking = this.#port
      .join(digest, origin, expected, (answer) => {
        joined = this.#joined(answer, digest, origin, fetch, expected);
      })
      .catch((error: unknown) => {
        joined ??= { flight: this.#failed(digest, origin, asEntrepotError(error)), leading: true };
      })
      .finally(() => this.#joining.delete(digest));
    this.#joining.set(digest, asking);
    await asking;
    return joined ?? this.join(digest, origin, fetch, expected);
  }

  #joined(answer: JoinAnswer, digest: Digest, origin: string, fetch: FillFetch, expected: number | undefined): Joined {
    switch (answer.as) {
      case "lead":
        this.#lead(digest, answer.number);
        return this.#table.join(digest, origin, fetch, expected);
      case "follow":
        return { flight: this.#mirror(answer.flight, fetch), leading: false };
      case "landed": {
        const flight = this.#stranger(digest, origin);
        flight.hear({ type: "landed", head: answer.head, lost: undefined });
        return { flight, leading: false };
      }
      case "refused":
        return { flight: this.#failed(digest, origin, answer.error), leading: true };
    }
  }

  /** What the primary has to say of a flight that is followed here. */
  hear(number: number, digest: Digest, news: FlightNews): void {
    const flight = this.#remote.get(digest);
    if (flight?.number !== number) return;
    if (news.type === "split") {
      this.#remote.delete(digest);
      this.#goAlone(flight);
      return;
    }
    flight.hear(news);
    if (!flight.isOpen) this.#remote.delete(digest);
  }

  /** The leader is gone, and this worker is to lead. */
  takeOver(info: FlightInfo): void {
    const { digest, number } = info;
    const flight = this.#remote.get(digest);
    const rescue = flight?.number === number ? flight.rescue : undefined;
    if (flight === undefined || rescue === undefined) {
      this.#port.unable(number, digest);
      return;
    }
    this.#goOn(info, rescue).then(
      (own) => {
        this.#remote.delete(digest);
        flight.handOver(own);
      },
      () => this.#lookFor(info, flight),
    );
  }

  /** The spool is not where it was: it may be in its place already. */
  async #lookFor({ number, digest, head }: FlightInfo, flight: RemoteFlight): Promise<void> {
    const held = await this.#options.store.stat(digest);
    if (held === undefined || head === undefined) {
      this.#port.unable(number, digest);
      return;
    }
    const end = { type: "landed", head: { ...head, size: held.size }, lost: undefined } as const;
    this.#remote.delete(digest);
    this.#port.ended(number, digest, end);
    flight.hear(end);
  }

  /** How many other workers follow what is led here. */
  followed(number: number, digest: Digest, by: number): void {
    const led = this.#led.get(digest);
    const flight = this.#table.current(digest);
    if (led?.number !== number) {
      // It is about to lead: what the one before it left is being read.
      this.#awaited.set(digest, { number, by });
      return;
    }
    if (by === 0) {
      led.others?.close();
      led.others = undefined;
    } else if (led.others === undefined && flight !== undefined) {
      led.others = flight.follow();
      const watched = this.#watched.get(digest);
      if (watched !== undefined) this.#tell(watched, led);
    }
  }

  /** Another process removed this content. */
  removed(digest: Digest): void {
    this.#table.removed(digest);
  }

  stop(): void {
    this.#table.stop();
  }

  #begun(flight: Flight, number: number): Flight {
    const awaited = this.#awaited.get(flight.digest);
    this.#awaited.delete(flight.digest);
    if (awaited?.number === number) this.followed(number, flight.digest, awaited.by);
    return flight;
  }

  #lead(digest: Digest, number: number): Led {
    const led: Led = { number, others: undefined, told: 0, quiet: undefined, introduced: false };
    this.#led.set(digest, led);
    return led;
  }

  /** From the spool that a worker left, or from nothing where it had come to nothing. */
  async #goOn(info: FlightInfo, rescue: FillFetch): Promise<Flight> {
    const { digest, origin, number, path, head, validator, expected } = info;
    if (path === undefined || head === undefined) {
      this.#lead(digest, number);
      return this.#begun(this.#table.join(digest, origin, rescue, expected).flight, number);
    }
    const { spool, bytes } = await this.#options.store.openSpool(digest, path);
    try {
      const hash = await hashOf(spool, bytes, digest);
      this.#lead(digest, number);
      const left = { ...head, spool, bytes, hash, validator, expected };
      return this.#begun(this.#table.resume(digest, origin, rescue, left), number);
    } catch (error) {
      spool.close();
      throw error;
    }
  }

  /** The leader's disk is full: who follows here is served by a flight of this process alone. */
  #goAlone(flight: RemoteFlight): void {
    const { rescue, digest, origin } = flight;
    if (rescue === undefined) flight.fail(lostError(undefined));
    else flight.handOver(this.#table.alone(digest, origin, rescue));
  }

  #open(digest: Digest): RemoteFlight | undefined {
    const flight = this.#remote.get(digest);
    return flight?.isOpen === true ? flight : undefined;
  }

  #mirror(info: FlightInfo, first: FillFetch | undefined): RemoteFlight {
    const { digest, number } = info;
    const known = this.#remote.get(digest);
    if (known?.number === number && known.isOpen) return known;
    const left = (): void => {
      if (this.#remote.get(digest) !== flight) return;
      this.#remote.delete(digest);
      this.#port.left(number, digest);
    };
    const flight: RemoteFlight = new RemoteFlight(info, { ...this.#reading, left }, first);
    this.#remote.set(digest, flight);
    flight.hear({ type: "progress", ...info });
    return flight;
  }

  #stranger(digest: Digest, origin: string): RemoteFlight {
    return new RemoteFlight({ digest, origin, number: 0 }, { ...this.#reading, left: () => undefined });
  }

  #failed(digest: Digest, origin: string, error: Error): Flight {
    const flight = this.#stranger(digest, origin);
    flight.fail(error);
    return flight;
  }

  get #reading() {
    const { store, directory } = this.#options;
    return {
      store,
      reader: (path: string, digest: Digest) => new SpoolReader([path, contentPath(directory, digest)]),
    };
  }

  #advanced(flight: WatchedFlight): void {
    const { digest, fill } = flight;
    const led = this.#led.get(digest);
    if (led === undefined) return;
    this.#watched.set(digest, flight);
    if (fill.lostDisk !== undefined) {
      if (led.others !== undefined || !led.introduced) this.#port.split(led.number, digest, fill.lostDisk);
      led.others?.close();
      led.others = undefined;
      led.introduced = true;
      return;
    }
    if ((led.others !== undefined || !led.introduced) && led.quiet === undefined) this.#tell(flight, led);
  }

  #tell(flight: WatchedFlight, led: Led): void {
    const { digest } = flight;
    const { state, spool } = flight.fill;
    led.introduced = true;
    led.told = state.visible;
    this.#port.progress(led.number, digest, {
      path: spool?.path,
      head: flight.answer,
      validator: state.validator,
      visible: state.visible,
    });
    led.quiet = setTimeout(() => {
      led.quiet = undefined;
      if (led.others !== undefined && flight.fill.state.visible > led.told && this.#led.get(digest) === led)
        this.#tell(flight, led);
    }, tellEvery);
  }

  #end({ digest }: WatchedFlight, end: FlightEnd): void {
    const led = this.#led.get(digest);
    if (led === undefined) return;
    clearTimeout(led.quiet);
    this.#led.delete(digest);
    this.#watched.delete(digest);
    this.#port.ended(led.number, digest, end);
    led.others?.close();
  }
}
