import type { SharedProofs } from "../cache/disk.ts";
import type { TellTrouble } from "../cache/trouble.ts";
import type { Room, StoreListener } from "../cache/types.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Share } from "../core/shared-map.ts";
import type { Leaders } from "../serve/leaders.ts";
import type { Shapes } from "../serve/shapes.ts";
import { Channel, type Send } from "./channel.ts";
import { createSharedCoalesce } from "./coalesce.ts";
import type { DashboardFigures, WorkerFigures } from "./figures.ts";
import type { BoardPort, WorkerFlights } from "./flights.ts";
import { sharedLeaders } from "./leading.ts";
import {
  type Listened,
  type PrimaryMethods,
  protocolVersion,
  type StopHow,
  type Use,
  type Welcome,
  type WorkerMethods,
} from "./protocol.ts";
import { WorkerRecords } from "./records.ts";
import { Copies, sharedMaps } from "./replicas.ts";

/** The other end, as a process has it. */
export interface PrimaryEnd {
  readonly send: Send;
  onMessage(listener: (message: unknown) => void): void;
  /** The primary is gone. */
  onClose(listener: () => void): void;
}

/** What the primary asks of the worker's own parts. */
export interface WorkerParts {
  figures(): Promise<WorkerFigures>;
  adopt(queues: readonly number[]): void;
  stop(how: StopHow, limit: number): void;
}

/** Milliseconds between two messages that say what was used. */
const useEvery = 1000;

/** A worker's way to its primary, and what it has of the instance's state. */
export class Link {
  readonly records: WorkerRecords;
  readonly share: Share;
  readonly coalesce: ReturnType<typeof createSharedCoalesce>;
  readonly leaders: Leaders;
  readonly shapes: Shapes;
  readonly board: BoardPort;
  readonly room: Room;
  readonly troubles: TellTrouble;
  readonly proofs: SharedProofs;
  /** To watch the store with. */
  readonly ledger: StoreListener;
  flights: WorkerFlights | undefined;
  /** Forgets content that another process removed. */
  forget: ((digest: Digest) => void) | undefined;
  readonly #copies = new Copies();
  readonly #channel: Channel<WorkerMethods, PrimaryMethods>;
  #uses = new Map<Digest, Use>();
  #useTimer: NodeJS.Timeout | undefined;
  #parts: WorkerParts | undefined;
  /** One that came while the worker was starting is obeyed when it has. */
  #order: Parameters<WorkerParts["stop"]> | undefined;
  /** Queues that it was told to take connections from before it was ready. */
  readonly #adopted: number[] = [];

  constructor(end: PrimaryEnd) {
    const channel = new Channel<WorkerMethods, PrimaryMethods>(end.send, this.#methods());
    this.#channel = channel;
    end.onMessage((message) => channel.receive(message));
    end.onClose(() => channel.close(new EntrepotError("STOPPING", "The proxy is stopping. Try again in a moment.")));
    this.share = sharedMaps(this.#copies, (changes) => channel.ask("publish", [changes]).catch(() => undefined));
    this.records = new WorkerRecords({
      get: (key, first) => channel.ask("recordGet", [key], first),
      put: (key, record, first) => channel.ask("recordPut", [key, record], first),
      delete: (key, first) => channel.ask("recordDelete", [key], first),
    });
    this.coalesce = createSharedCoalesce({
      claim: (key) => channel.ask("claim", [key]),
      settle: (key, settled) => channel.tell("settle", key, settled),
      abandon: (key) => channel.tell("abandon", key),
    });
    this.leaders = sharedLeaders({
      take: (key) => channel.tell("leadTake", key),
      settle: (key, settled) => channel.tell("leadSettle", key, settled),
      follow: (key) => channel.ask("leadFollow", [key]),
    });
    this.shapes = {
      get: async (key) => await channel.ask("shapeGet", [key]),
      put: async (key, shape) => await channel.ask("shapePut", [key, shape]),
    };
    this.board = boardOf(channel, () => this.#flushUses());
    this.room = {
      free: (bytes) => channel.ask("free", [bytes]).catch(() => 0),
      keep: () => channel.tell("keepFree"),
    };
    this.troubles = (action, code) => channel.tell("trouble", action, code);
    this.proofs = {
      of: (digest) => channel.ask("proofOf", [digest]).catch(() => undefined),
      add: (digest, stamp) => channel.tell("proved", digest, stamp),
    };
    this.ledger = {
      used: (digest, size, at) => this.#used(digest, size, at),
      removed: (digest) => {
        this.#uses.delete(digest);
        channel.tell("missing", digest);
      },
    };
  }

  /** Rejects where the primary is of another version of the program. */
  async hello(): Promise<Welcome> {
    const welcome = await this.#channel.ask("hello", [protocolVersion], ({ facts }) => this.#copies.apply(facts));
    if (welcome.version === protocolVersion) return welcome;
    throw new EntrepotError("CONFIG_INVALID", "This program is another version than the one that runs; restart it.");
  }

  /** Serves from now on. */
  ready(listening: readonly Listened[], parts: WorkerParts): void {
    this.#parts = parts;
    if (this.#adopted.length > 0) parts.adopt(this.#adopted);
    if (this.#order !== undefined) parts.stop(...this.#order);
    this.#channel.tell("ready", listening);
  }

  async unfit(error: Error): Promise<void> {
    await this.#channel.ask("unfit", [error]);
  }

  /** Resolves when the primary knows all that this worker had to say. */
  async goodbye(): Promise<void> {
    this.#flushUses();
    await this.#channel.ask("goodbye", []).catch(() => undefined);
  }

  metricsText(): Promise<string> {
    return this.#channel.ask("metricsText", []);
  }

  dashboard(): Promise<DashboardFigures> {
    return this.#channel.ask("dashboard", []);
  }

  #methods(): WorkerMethods {
    return {
      learn: (changes) => this.#copies.apply(changes),
      recordChanged: (key, now) => this.records.changed(key, now),
      recordForget: (key) => this.records.forget(key),
      contentRemoved: (digest) => this.forget?.(digest),
      flightNews: (number, digest, news) => this.flights?.hear(number, digest, news),
      flightTakeOver: (flight) => this.flights?.takeOver(flight),
      flightFollowed: (number, digest, by) => this.flights?.followed(number, digest, by),
      figures: () => {
        if (this.#parts === undefined) throw new EntrepotError("STOPPING", "The worker is not ready yet.");
        return this.#parts.figures();
      },
      uses: () => this.#takeUses(),
      adopt: (queues) => {
        if (this.#parts === undefined) this.#adopted.push(...queues);
        else this.#parts.adopt(queues);
      },
      stop: (how, limit) => {
        this.#order = [how, limit];
        this.#parts?.stop(how, limit);
      },
    };
  }

  /** A hit costs no message: what was used is told together, once a second. */
  #used(digest: Digest, size: number, at: number): void {
    // Anew, so that the last one used stands last.
    this.#uses.delete(digest);
    this.#uses.set(digest, [digest, size, at]);
    this.#useTimer ??= setTimeout(() => this.#flushUses(), useEvery).unref();
  }

  #flushUses(): void {
    const uses = this.#takeUses();
    if (uses.length > 0) this.#channel.tell("used", uses);
  }

  #takeUses(): Use[] {
    clearTimeout(this.#useTimer);
    this.#useTimer = undefined;
    const uses = [...this.#uses.values()];
    this.#uses = new Map();
    return uses;
  }
}

function boardOf(channel: Channel<WorkerMethods, PrimaryMethods>, flushUses: () => void): BoardPort {
  return {
    current: (digest, first) => channel.ask("flightCurrent", [digest], first),
    join: (digest, origin, expected, first) => channel.ask("flightJoin", [digest, origin, expected], first),
    progress: (number, digest, progress) => channel.tell("flightProgress", number, digest, progress),
    split: (number, digest, lost) => channel.tell("flightSplit", number, digest, lost),
    ended: (number, digest, end) => {
      channel.tell("flightEnded", number, digest, end);
      // What was adopted counts for the size of the cache at once.
      flushUses();
    },
    left: (number, digest) => channel.tell("flightLeft", number, digest),
    unable: (number, digest) => channel.tell("flightUnable", number, digest),
  };
}
