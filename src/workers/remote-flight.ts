import type { FillFetch, Flight, FlightHead, HotStore } from "../cache/types.ts";
import { LateBody } from "../cache/late-body.ts";
import type { Body } from "../core/body.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import type { FlightInfo, FlightNews } from "./flight-board.ts";
import { RemoteFollower } from "./remote-follower.ts";
import type { SpoolReader } from "./spool-reader.ts";

export interface RemoteFlightParts {
  readonly store: HotStore;
  readonly reader: (path: string, digest: Digest) => SpoolReader;
  /** Nobody follows it here any more. */
  readonly left: () => void;
}

/** Milliseconds for which a flight that was looked at is kept in mind though nobody follows it. */
const interest = 5000;

/** A flight that another worker leads: its followers here read its spool, as far as they are told. */
export class RemoteFlight implements Flight {
  readonly digest: Digest;
  readonly origin: string;
  readonly number: number;
  readonly head: Promise<FlightHead>;
  readonly done: Promise<void>;
  /** Bytes open to followers. */
  visible = 0;
  size: number | undefined;
  state: "flying" | "landed" | "failed" = "flying";
  error: Error | undefined;
  readonly #parts: RemoteFlightParts;
  readonly #head = Promise.withResolvers<FlightHead>();
  readonly #done = Promise.withResolvers<void>();
  readonly #followers = new Map<RemoteFollower, FillFetch | undefined>();
  /** Of who joined, and may not follow yet. */
  #first: FillFetch | undefined;
  #parked: RemoteFollower[] = [];
  #path: string | undefined;
  #reader: SpoolReader | undefined;
  readonly #idle: NodeJS.Timeout;

  constructor(info: Pick<FlightInfo, "digest" | "origin" | "number">, parts: RemoteFlightParts, first?: FillFetch) {
    this.digest = info.digest;
    this.origin = info.origin;
    this.number = info.number;
    this.#parts = parts;
    this.#first = first;
    this.head = this.#head.promise;
    this.done = this.#done.promise;
    // Whoever listens gets them; that nobody does must not end the process.
    this.head.catch(() => undefined);
    this.done.catch(() => undefined);
    this.#idle = setTimeout(() => this.#rest(), interest).unref();
  }

  /** Whether somebody who comes now can be served from it. */
  get isOpen(): boolean {
    return this.state === "flying";
  }

  /** A way to go on without the leader: that of somebody who still follows. */
  get rescue(): FillFetch | undefined {
    for (const rescue of this.#followers.values()) if (rescue !== undefined) return rescue;
    return this.#first;
  }

  follow(rescue?: FillFetch): Body {
    if (this.state === "landed" && this.#reader === undefined)
      return new LateBody(this.#parts.store, this.digest, this.size);
    clearTimeout(this.#idle);
    const follower = new RemoteFollower(this);
    this.#followers.set(follower, rescue);
    return follower;
  }

  park(follower: RemoteFollower): void {
    this.#parked.push(follower);
  }

  leave(follower: RemoteFollower): void {
    if (!this.#followers.delete(follower) || this.#followers.size > 0) return;
    this.#first = undefined;
    if (this.state === "flying") this.#parts.left();
    this.#release();
  }

  /** Reads what is visible; calls back with the number of bytes. */
  read(buffer: Buffer, position: number, done: (error: Error | undefined, bytes: number) => void): void {
    if (this.#path === undefined) {
      done(new EntrepotError("INTERNAL", "A flight shows bytes that are nowhere."), 0);
      return;
    }
    this.#reader ??= this.#parts.reader(this.#path, this.digest);
    this.#reader.read(buffer, position, done);
  }

  /** What the leader tells, by way of the primary. */
  hear(news: FlightNews): void {
    if (this.state !== "flying" || news.type === "split") return;
    if (news.type === "failed") {
      this.fail(news.error);
      return;
    }
    if (news.type === "progress") {
      this.#path = news.path;
      this.visible = Math.max(this.visible, news.visible);
    } else {
      this.state = "landed";
      this.visible = news.head.size ?? this.visible;
    }
    if (news.head !== undefined) {
      this.size = news.head.size ?? this.size;
      this.#head.resolve(news.head);
    }
    if (news.type === "landed") {
      if (news.lost === undefined) this.#done.resolve();
      else this.#done.reject(news.lost);
    }
    this.#wake();
    if (news.type === "landed") this.#ended();
  }

  fail(error: Error): void {
    if (this.state !== "flying") return;
    this.state = "failed";
    this.error = error;
    this.#head.reject(error);
    this.#done.reject(error);
    this.#wake();
    this.#ended();
  }

  /** From here on those who follow are served from another flight, of this process. */
  handOver(to: Flight): void {
    to.head.then(this.#head.resolve, this.#head.reject);
    to.done.then(this.#done.resolve, this.#done.reject);
    this.state = "landed";
    for (const [follower, rescue] of this.#followers) follower.switchTo(to.follow(rescue));
    this.#parked = [];
    this.#ended();
  }

  #wake(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const follower of parked) follower.wake();
  }

  #ended(): void {
    clearTimeout(this.#idle);
    this.#first = undefined;
    if (this.#followers.size === 0) this.#release();
  }

  #rest(): void {
    if (this.#followers.size === 0 && this.state === "flying") this.#parts.left();
  }

  #release(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }
}
