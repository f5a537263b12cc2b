import { expiryOf } from "../auth/grants.ts";
import type { Clock } from "../core/clock.ts";
import type { Origin } from "../core/origin.ts";
import type { DigestRequest } from "./content.ts";
import type { Exchange } from "./exchange.ts";
import { type Next, nextContent } from "./next-content.ts";

export interface PrefetcherParts {
  readonly platforms: "all" | readonly string[];
  /** Brings content into the cache by way of a flight, with the credential of an exchange; resolves when it is there. */
  readonly fetch: (exchange: Exchange, origin: Origin, request: DigestRequest) => Promise<void>;
  /** Flights in progress, those of clients and ours. */
  readonly active: () => number;
  readonly clock: Clock;
  /** Calls back in so many milliseconds. */
  readonly after?: (milliseconds: number, then: () => void) => void;
}

interface Job {
  readonly exchange: Exchange;
  readonly origin: Origin;
  readonly repository: string;
  readonly rest: Next[];
  /** Milliseconds since the epoch: when the requester's credential is not to be used any more. */
  readonly until: number;
}

/** Downloads of ours at a time. */
const mostAtOnce = 2;
/** Images that wait; those that come while there are as many are not fetched ahead. */
const mostWaiting = 8;
/** While clients have more flights than these, we begin none. */
const mostOthers = 4;
/** Milliseconds until it is looked whether clients have fewer. */
const lookAgain = 500;
/** Milliseconds for which a credential that does not tell its end is used. */
const shortest = 300_000;

/**
 * PREFETCH: fetches what a client will ask for next, at low priority, with the credential of the exchange that made it known, for as long as that is good. A
 * client that comes for it meanwhile joins the flight. Whatever fails ends that image's prefetching and nothing else.
 */
export class Prefetcher {
  readonly #parts: PrefetcherParts;
  /** The image that is to go on first stands first. */
  #jobs: Job[] = [];
  #running = 0;
  #armed = false;

  constructor(parts: PrefetcherParts) {
    this.#parts = parts;
  }

  /** A manifest or an index that was fetched for an exchange. */
  fetched(exchange: Exchange, origin: Origin, repository: string, manifest: Buffer): void {
    if (this.#jobs.length >= mostWaiting) return;
    const rest = nextContent(manifest, this.#parts.platforms);
    if (rest.length === 0) return;
    const { authorization } = exchange.headers;
    const now = this.#parts.clock.now();
    const end = authorization === undefined ? undefined : expiryOf(authorization);
    const job = { exchange, origin, repository, rest, until: Math.min(end ?? Infinity, now + shortest) };
    // An image is finished before the next platform's is begun.
    const parent = this.#jobs.findIndex((other) => other.exchange === exchange);
    this.#jobs.splice(parent === -1 ? this.#jobs.length : parent, 0, job);
    this.#go();
  }

  #go(): void {
    while (this.#running < mostAtOnce && this.#jobs.length > 0) {
      if (this.#parts.active() - this.#running > mostOthers) {
        this.#lookAgain();
        return;
      }
      const [job] = this.#jobs;
      const next = job?.rest.shift();
      if (job === undefined || next === undefined || this.#parts.clock.now() >= job.until) this.#jobs.shift();
      else void this.#fetch(job, next);
    }
  }

  async #fetch(job: Job, { kind, digest }: Next): Promise<void> {
    const { exchange, origin, repository } = job;
    this.#running += 1;
    try {
      await this.#parts.fetch(exchange, origin, { kind, repository, digest });
    } catch {
      // What a client asks for after all is told to that client.
      this.#jobs = this.#jobs.filter((other) => other !== job);
    } finally {
      this.#running -= 1;
      this.#go();
    }
  }

  #lookAgain(): void {
    if (this.#armed) return;
    this.#armed = true;
    const { after = later } = this.#parts;
    after(lookAgain, () => {
      this.#armed = false;
      this.#go();
    });
  }
}

function later(milliseconds: number, then: () => void): void {
  setTimeout(then, milliseconds).unref();
}
