import { createHash } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { Origin } from "../core/origin.ts";
import { ownMaps, type Share, type SharedMap } from "../core/shared-map.ts";
import { Refusal, type RefusalFacts } from "./refusal.ts";

/** How long a refusal counts, milliseconds: long enough for one client's parallel requests, too short for a person to notice. */
const refusedFor = 3000;

interface Remembered {
  readonly refusal: RefusalFacts;
  readonly until: number;
  readonly place: string;
}

interface Place {
  readonly origin: Origin;
  readonly repository: string;
}

/** Upstreams' refusals of the last seconds, so that a crowd of clients that asks for what is not there is not all passed on. */
export class RecentRefusals {
  readonly #clock: Clock;
  readonly #entries: SharedMap<Remembered>;

  /** `name`: of its map, where that is one of several. */
  constructor(clock: Clock, share: Share = ownMaps, name = "refusals") {
    this.#clock = clock;
    this.#entries = share<Remembered>(name, 2000);
  }

  get(key: string): Refusal | undefined {
    const entry = this.#entries.get(hash(key));
    return entry !== undefined && this.#clock.now() < entry.until ? Refusal.of(entry.refusal) : undefined;
  }

  /** Remembers a 401, 403 or 404; anything else passes too soon. One that is remembered is not remembered any longer by being repeated. */
  put(key: string, place: Place, refusal: Refusal): void {
    if (![401, 403, 404].includes(refusal.status) || this.get(key) !== undefined) return;
    this.#entries.set(hash(key), {
      refusal: refusal.facts,
      until: this.#clock.now() + refusedFor,
      place: placeOf(place),
    });
  }

  /** After a push or a deletion nothing that was refused of the repository counts any more. */
  forget(place: Place): void {
    const name = placeOf(place);
    for (const [key, entry] of this.#entries.entries()) if (entry.place === name) this.#entries.delete(key);
  }
}

/** A key may hold a credential, and is kept. */
function hash(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}

function placeOf({ origin, repository }: Place): string {
  return `${origin.name}|${repository}`;
}
