import { LRUCache } from "lru-cache";
import type { Evictor } from "../cache/evict.ts";
import type { DiskRecords } from "../cache/records.ts";
import type { Stamp } from "../cache/stamp.ts";
import type { Troubles } from "../cache/trouble.ts";
import type { CacheRecord, WatchedStore } from "../cache/types.ts";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import { asEntrepotError, EntrepotError } from "../core/errors.ts";
import type { Share } from "../core/shared-map.ts";
import type { Shapes } from "../serve/shapes.ts";
import { Channel, type Send } from "./channel.ts";
import { Claims } from "./claims.ts";
import { sumFigures, sumMetrics, type WorkerFigures } from "./figures.ts";
import { FlightBoard } from "./flight-board.ts";
import { LeaderBoard } from "./leading.ts";
import {
  type Changed,
  type Listened,
  type PrimaryMethods,
  protocolVersion,
  type StopHow,
  type Versioned,
  type WorkerDoors,
  type WorkerMethods,
} from "./protocol.ts";
import { Readers } from "./readers.ts";
import { type Change, Copies, sharedMaps } from "./replicas.ts";

export interface PrimaryParts {
  readonly records: DiskRecords;
  readonly store: WatchedStore;
  readonly evictor: Evictor;
  readonly troubles: Troubles;
  readonly shapes: Shapes;
  readonly clock: Clock;
  /** Common to all workers: of the hashes that stand for credentials, and of the tokens of our own. */
  readonly credentialKey: Buffer;
  readonly tokenKey: Buffer;
  /** Whether content is in its place on disk; asked seldom. */
  readonly isHeld: (digest: Digest) => boolean;
  /** Removes a file that a worker which is gone has left. */
  readonly discard: (path: string) => void;
  /** Of this process. */
  readonly figures: () => Promise<WorkerFigures>;
}

type WorkerChannel = Channel<PrimaryMethods, WorkerMethods>;

/** A worker, as the primary has it. */
export interface Attached {
  /** Counts the instance's workers from 1. */
  readonly number: number;
  /** Resolves when it listens; rejects with why it cannot. */
  readonly ready: Promise<readonly Listened[]>;
  receive(message: unknown): void;
  adopt(queues: readonly number[]): void;
  stop(how: StopHow, limit: number): void;
  /** It is gone: what it led is taken over. */
  gone(): void;
}

/** Keys whose readers, and content whose proofs, are remembered. */
const mostKeys = 200_000;

/** What must be one for the instance, served to its workers: the board of flights, records, shared facts, claims, the evictor. */
export class Primary {
  readonly share: Share;
  readonly board: FlightBoard<WorkerChannel>;
  readonly #parts: PrimaryParts;
  readonly #workers = new Set<WorkerChannel>();
  readonly #claims = new Claims<WorkerChannel>();
  readonly #leaders = new LeaderBoard<WorkerChannel>();
  readonly #copies = new Copies();
  /** Of large content that some worker found whole, or wrote: the stamp of its file then. */
  readonly #proofs = new LRUCache<Digest, Stamp>({ max: mostKeys });
  readonly #readers = new Readers<WorkerChannel>(mostKeys, (key, workers) => {
    for (const worker of workers) worker.tell("recordForget", key);
  });
  /** How many workers there are to be; told to them for what each may use of the whole. */
  readonly #size: () => number;
  #version = 0;
  #count = 0;

  constructor(parts: PrimaryParts, size: () => number) {
    this.#parts = parts;
    this.#size = size;
    this.share = sharedMaps(this.#copies, (changes) => this.#spread(changes));
    this.board = new FlightBoard<WorkerChannel>(
      {
        news: (worker, number, digest, news) => worker.tell("flightNews", number, digest, news),
        takeOver: (worker, flight) => worker.tell("flightTakeOver", flight),
        followed: (worker, number, digest, by) => worker.tell("flightFollowed", number, digest, by),
        orphaned: (path) => parts.discard(path),
      },
      parts.clock,
    );
    parts.store.watch({ used: () => undefined, removed: (digest) => this.#removed(digest) });
  }

  /** `doors`: what the worker at the other end inherits. */
  attach(send: Send, doors: WorkerDoors): Attached {
    this.#count += 1;
    const number = this.#count;
    const ready = Promise.withResolvers<readonly Listened[]>();
    // One that dies before anybody waits for it must not end the process.
    ready.promise.catch(() => undefined);
    const methods = this.#methods(number, doors, ready, () => channel);
    const channel: WorkerChannel = new Channel<PrimaryMethods, WorkerMethods>(send, methods);
    return {
      number,
      ready: ready.promise,
      receive: (message) => channel.receive(message),
      adopt: (queues) => channel.tell("adopt", queues),
      stop: (how, limit) => channel.tell("stop", how, limit),
      gone: () => {
        this.#workers.delete(channel);
        channel.close(new EntrepotError("STOPPING", "The worker is gone."));
        this.board.died(channel);
        this.#claims.died(channel);
        this.#leaders.died(channel);
        this.#readers.died(channel);
        ready.reject(new EntrepotError("INTERNAL", "A worker ended before it was ready."));
      },
    };
  }

  #methods(
    number: number,
    doors: WorkerDoors,
    ready: PromiseWithResolvers<readonly Listened[]>,
    me: () => WorkerChannel,
  ): PrimaryMethods {
    const { board, evictor, shapes, records, troubles } = { ...this.#parts, board: this.board };
    const [claims, leaders] = [this.#claims, this.#leaders];
    return {
      hello: () => {
        this.#workers.add(me());
        const { credentialKey, tokenKey } = this.#parts;
        const facts = this.#copies.snapshot();
        const workers = this.#size();
        return { version: protocolVersion, worker: number, workers, doors, credentialKey, tokenKey, facts };
      },
      ready: (listening) => ready.resolve(listening),
      unfit: (error) => ready.reject(error),

      recordGet: async (key): Promise<Versioned> => {
        this.#readers.note(key, me());
        const record = await records.get(key);
        return { record: records.hot(key) ?? record, version: this.#version };
      },
      recordPut: (key, record) => this.#change(me(), key, record, () => records.put(key, record)),
      recordDelete: (key) => this.#change(me(), key, undefined, () => records.delete(key)),

      publish: async (changes) => {
        this.#copies.apply(changes);
        await this.#spread(changes, me());
      },
      shapeGet: (key) => shapes.get(key),
      shapePut: (key, shape) => shapes.put(key, shape),

      used: (uses) => {
        for (const [digest, size, at] of uses) evictor.used(digest, size, at);
      },
      missing: (digest) => this.#missing(digest),
      free: (bytes) => evictor.free(bytes),
      keepFree: () => void evictor.keepFree(),
      trouble: (action, code) => troubles.note(action, code),
      proved: (digest, stamp) => void this.#proofs.set(digest, stamp),
      proofOf: (digest) => this.#proofs.get(digest),

      flightCurrent: (digest) => board.current(me(), digest),
      flightJoin: (digest, origin, expected) => board.join(me(), digest, origin, expected),
      flightProgress: (flight, digest, progress) => board.progress(me(), flight, digest, progress),
      flightSplit: (flight, digest, lost) => board.split(me(), flight, digest, lost),
      flightEnded: (flight, digest, end) => board.ended(me(), flight, digest, end),
      flightLeft: (flight, digest) => board.left(me(), flight, digest),
      flightUnable: (flight, digest) => board.unable(me(), flight, digest),

      claim: (key) => claims.claim(me(), key),
      settle: (key, settled) => claims.settle(me(), key, settled),
      abandon: (key) => claims.abandon(me(), key),

      leadTake: (key) => leaders.take(me(), key),
      leadSettle: (key, settled) => leaders.settle(me(), key, settled ?? undefined),
      leadFollow: (key) => leaders.follow(key),

      goodbye: () => undefined,
      metricsText: async () => await sumMetrics((await this.#figures()).map(({ metrics }) => metrics)),
      dashboard: async () => {
        const bytes = evictor.bytes();
        return { ...sumFigures(await this.#figures()), bytes, entries: evictor.count() };
      },
    };
  }

  /** In order for all: each change has a version, and every worker that has the key knows of it when this resolves. */
  async #change(
    worker: WorkerChannel,
    key: string,
    record: CacheRecord | undefined,
    write: () => Promise<void>,
  ): Promise<Changed> {
    this.#version += 1;
    const version = this.#version;
    const written = write().then(
      () => undefined,
      (error: unknown) => asEntrepotError(error),
    );
    const others = this.#readers.others(key, worker);
    this.#readers.note(key, worker);
    const told = others.map((other) => other.ask("recordChanged", [key, { record, version }]).catch(() => undefined));
    const [failed] = await Promise.all([written, ...told]);
    return { version, failed: failed ?? undefined };
  }

  async #spread(changes: readonly Change[], from?: WorkerChannel): Promise<void> {
    const others = [...this.#workers].filter((worker) => worker !== from);
    await Promise.all(others.map((worker) => worker.ask("learn", [changes]).catch(() => undefined)));
  }

  /**
   * A worker removed it, or did not find it. By the time that we hear of it another one may have adopted it, and told so: the file says. In
   * one turn, so that no adoption is told of between the look and what follows from it.
   */
  #missing(digest: Digest): void {
    const { evictor, isHeld } = this.#parts;
    this.#proofs.delete(digest);
    if ((!evictor.knows(digest) && !this.board.hasLanded(digest)) || isHeld(digest)) return;
    evictor.removed(digest);
    this.board.removed(digest);
  }

  #removed(digest: Digest): void {
    this.board.removed(digest);
    this.#proofs.delete(digest);
    for (const worker of this.#workers) worker.tell("contentRemoved", digest);
  }

  /** What the workers have used and not told yet, so that what goes is what was used longest ago. Never rejects. */
  async gatherUses(): Promise<void> {
    const uses = await Promise.all([...this.#workers].map((worker) => worker.ask("uses", []).catch(() => [])));
    for (const [digest, size, at] of uses.flat()) this.#parts.evictor.used(digest, size, at);
  }

  async #figures(): Promise<WorkerFigures[]> {
    const asked = [...this.#workers].map((worker) => worker.ask("figures", []).catch(() => undefined));
    const all = await Promise.all([this.#parts.figures(), ...asked]);
    return all.filter((one) => one !== undefined);
  }
}
