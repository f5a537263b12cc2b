import type { AccessRecords, Place } from "../auth/grants.ts";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import type { Origin } from "../core/origin.ts";
import { ownMaps, type Share, type SharedMap } from "../core/shared-map.ts";
import {
  type AccessFacts,
  type AccessMode,
  decideAccess,
  decideInOutage,
  isWorthProbing,
  proofOf,
} from "../policy/access.ts";
import type { PullRequest } from "../policy/decide.ts";
import { type Alarm, systemAlarm, withPatience } from "../upstream/patience.ts";
import type { Fetch, UpstreamResponse } from "../upstream/types.ts";
import {
  type Asker,
  askerOf,
  factsOf,
  type Knowledge,
  type Question,
  questionOf,
  type RequestFields,
  standingOf,
} from "./access-question.ts";
import { askForContent, noteUpstream } from "./ask.ts";
import type { Exchange } from "./exchange.ts";
import { withoutIdentity } from "./identity.ts";
import { type Leaders, type LeadTurn, OwnLeaders } from "./leaders.ts";
import { isOutage } from "./outage.ts";
import { RecentRefusals } from "./recent-refusals.ts";
import { Refusal } from "./refusal.ts";
import { closedBy, isWhatIsHeld, type Stated, statedBy } from "./stated.ts";
import { whileHere } from "./while-here.ts";

export interface AccessParts extends Knowledge {
  readonly fetch: Fetch;
  /** Likewise, but as nobody: with an anonymous token where the registry wants one, and never with a credential of ours. */
  readonly anonymously: Fetch;
  readonly records: AccessRecords;
  readonly coalesce: <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly clock: Clock;
  readonly mode: AccessMode;
  /** STALE_IF_ERROR, milliseconds. */
  readonly staleIfError: number;
  readonly alarm?: Alarm;
  /** For refusals, and for what was probed; maps of this process alone unless given. */
  readonly share?: Share;
  /** Those of this process alone unless given. */
  readonly leaders?: Leaders;
}

/** It may be served. `stated`: what the upstream said just now, where it had to be asked. */
export interface Admitted {
  readonly stated: Stated | undefined;
}

/** pass: what the upstream has there is not what we hold, so that the exchange is for it to answer. */
export type Admission = Admitted | Refusal | "pass";

export interface AdmitOptions {
  /** Bytes that are held; an upstream that states another size has something else. */
  readonly size?: number | undefined;
  /** Ask in any case, since what the upstream states is needed. */
  readonly stated?: boolean;
}

/** How long the upstream is waited for where there is something to serve without it, milliseconds. */
const patience = 5000;
/** How long a repository that was probed is not probed again, milliseconds. */
const probeEvery = 3_600_000;
/** How long a probe may take, milliseconds. */
const probeLimit = 30_000;

/**
 * Admits requests to what is held: by what upstreams have proven before, else by asking for the very thing with the requester's own
 * credential. Nobody gets a byte that the registry itself would refuse.
 */
export class Access {
  readonly #parts: AccessParts;
  readonly #refusals: RecentRefusals;
  readonly #probed: SharedMap<number>;
  /** By the fields of a request, which a connection's further requests share while they are the same. */
  readonly #askers = new WeakMap<RequestFields, Asker>();
  /** Of requests that are remembered, so that what is known of a place is found by the same object each time. */
  readonly #places = new WeakMap<PullRequest, Place>();
  readonly #leaders: Leaders;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#leaders = parts.leaders ?? new OwnLeaders();
    const share = parts.share ?? ownMaps;
    this.#refusals = new RecentRefusals(parts.clock, share, "access-refusals");
    this.#probed = share<number>("probed", 10_000);
  }

  /**
   * To be called before anything held is served, or a flight joined. Rejects where the upstream has to be asked and cannot be, as Fetch
   * does, unless what is known is enough for an outage.
   */
  async admit(
    exchange: Exchange,
    origin: Origin,
    request: PullRequest,
    { size, stated = false }: AdmitOptions = {},
  ): Promise<Admission> {
    const question = questionOf(this.#parts, exchange.headers, origin, request);
    if (!stated && decideAccess(await this.#factsOf(question)) === "serve") return { stated: undefined };
    const led = await this.#led(question.key, exchange.signal);
    if (led instanceof Refusal || (led !== undefined && !stated)) return led;
    // Once more: a leader may have had his answer while he was asked for.
    const facts = await this.#factsOf(question);
    if (!stated && decideAccess(facts) === "serve") return { stated: undefined };
    const enough = !stated && decideInOutage(facts, this.#parts.staleIfError);
    try {
      const admission =
        this.#refusals.get(question.key) ?? (await this.#ask({ exchange, origin, request, question, size, enough }));
      if (admission === "pass") return admission;
      if (admission instanceof Refusal) {
        if (enough && isOutage(admission)) return { stated: undefined };
        await this.#noteRefusal(question, admission, facts);
        return admission;
      }
      this.#considerProbe(exchange, origin, request, question, facts);
      return admission;
    } catch (error) {
      if (enough && isOutage(error)) return { stated: undefined };
      throw error;
    }
  }

  /** Whether held content may be served at once, by what memory knows; false says only that `admit` has to be asked. */
  admitsNow(headers: RequestFields, origin: Origin, request: PullRequest): boolean {
    const { mode, records, clock } = this.#parts;
    if (mode === "shared") return true;
    let asker = this.#askers.get(headers);
    if (asker === undefined) this.#askers.set(headers, (asker = askerOf(this.#parts, headers)));
    const { requester } = standingOf(this.#parts, asker, origin);
    let place = this.#places.get(request);
    if (place?.origin !== origin) this.#places.set(request, (place = { origin, repository: request.repository }));
    const known = records.now(place, asker.credential, request.digest);
    return decideAccess({ ...known, mode, requester, now: clock.now() }) === "serve";
  }

  /** Brings into memory what is on the disk of what `admitsNow` looks at. Never rejects. */
  async lookUp(origin: Origin, { repository, digest }: PullRequest): Promise<void> {
    const { mode, records } = this.#parts;
    if (mode === "shared" || digest === undefined) return;
    const place = { origin, repository };
    await Promise.all([records.publicUntil(place), records.isMember(place, digest)]);
  }

  /** Whether held content, a stale tag above all, may be served to this requester while the upstream cannot be asked. Asks nobody. */
  async admitsInOutage(exchange: Exchange, origin: Origin, request: PullRequest): Promise<boolean> {
    const facts = await this.#factsOf(questionOf(this.#parts, exchange.headers, origin, request));
    return decideInOutage(facts, this.#parts.staleIfError);
  }

  /**
   * To be called with every upstream answer to a requester's own pull: what it proves of the right to read is remembered. `digest`: what is
   * proven to belong to the repository, for it was verified or is what the registry says a tag is. Never rejects.
   */
  async learn(
    exchange: Exchange,
    origin: Origin,
    request: PullRequest,
    response: Pick<UpstreamResponse, "status" | "headers" | "injected">,
    digest?: Digest,
  ): Promise<void> {
    await this.#learn(questionOf(this.#parts, exchange.headers, origin, request), response, digest);
  }

  /** A digest that was fetched from a repository, once its bytes are proven. Never rejects. */
  async fetched(origin: Origin, repository: string, digest: Digest): Promise<void> {
    if (this.#parts.mode === "verified") await this.#parts.records.noteMember({ origin, repository }, digest);
  }

  /** What a verified manifest of a repository refers to. Never rejects. */
  async referenced(origin: Origin, repository: string, digests: readonly Digest[]): Promise<void> {
    if (this.#parts.mode === "verified") await this.#parts.records.noteReferenced({ origin, repository }, digests);
  }

  /** To be called by who is to start a flight, and wants nobody to ask the same meanwhile. */
  leading(exchange: Exchange, origin: Origin, request: PullRequest): LeadTurn {
    return this.#leaders.turn(questionOf(this.#parts, exchange.headers, origin, request).key);
  }

  /** After a push or a deletion: refusals that are remembered of the repository do not count any more. */
  changed(origin: Origin, repository: string): void {
    this.#refusals.forget({ origin, repository });
  }

  #factsOf(question: Question): Promise<AccessFacts> {
    const { records, mode, clock } = this.#parts;
    return factsOf(records, mode, clock.now(), question);
  }

  /** The answer that a flight of the same question gets; undefined where there is none, or none that says anything of the right. */
  async #led(key: string, signal: AbortSignal): Promise<Admitted | Refusal | undefined> {
    try {
      const answer = await whileHere(signal, this.#leaders.follow(key));
      return answer === "none" ? undefined : { stated: undefined };
    } catch (error) {
      if (signal.aborted) throw error;
      return error instanceof Refusal && !isOutage(error) ? error : undefined;
    }
  }

  async #ask({ exchange, origin, request, question, size, enough }: Asked): Promise<Admission> {
    const { coalesce, fetch, anonymously, alarm = systemAlarm } = this.#parts;
    const bare = question.requester === "own";
    return coalesce(`access|${question.key}`, exchange.signal, async (signal) => {
      const limited = { host: origin.host, signal, milliseconds: enough ? patience : undefined };
      const response = await withPatience(limited, alarm, (limit) =>
        askHead(bare ? anonymously : fetch, exchange, { origin, request, signal: limit }, bare),
      );
      noteUpstream(exchange, response);
      if (response.status !== 200 && response.status !== 206) return closedBy(response, request);
      letGo(response);
      const stated = statedBy(response);
      if (!isWhatIsHeld(stated, request, size)) return "pass";
      await this.#learn(question, response, question.digest ?? stated.digest);
      return { stated };
    });
  }

  async #learn(
    question: Question,
    { status, injected }: Pick<UpstreamResponse, "status" | "injected">,
    digest: Digest | undefined,
  ): Promise<void> {
    const { mode, records } = this.#parts;
    if (mode === "shared") return;
    const { place, requester, credential, expires } = question;
    if ((status === 401 || status === 403) && credential !== undefined) await records.dropGrant(credential, place);
    if (status !== 200 && status !== 206 && status !== 304) return;
    const proof = proofOf(requester, injected);
    const notes: Promise<void>[] = [];
    if (proof === "public") notes.push(records.notePublic(place, digest ?? question.digest));
    else if (proof === "shared") notes.push(records.noteShared(place));
    else if (credential !== undefined) notes.push(records.noteGrant(credential, place, expires));
    if (digest !== undefined) notes.push(records.noteMember(place, digest));
    await Promise.all(notes);
  }

  async #noteRefusal(question: Question, refusal: Refusal, facts: AccessFacts): Promise<void> {
    const { records } = this.#parts;
    const { key, place, credential, digest } = question;
    const { status } = refusal;
    if (status !== 401 && status !== 403 && status !== 404) return;
    this.#refusals.put(key, place, refusal);
    if (status !== 404) {
      if (credential !== undefined) await records.dropGrant(credential, place);
    } else if (digest !== undefined && decideAccess({ ...facts, member: true }) === "serve") {
      // Of one who may read the repository: to others a registry may deny what it has.
      await records.dropMember(place, digest);
    }
  }

  /** In the background, after a credential was served: whether nobody would be as well. */
  #considerProbe(
    exchange: Exchange,
    origin: Origin,
    request: PullRequest,
    { place, digest }: Question,
    facts: AccessFacts,
  ): void {
    const { anonymously, clock, records } = this.#parts;
    const key = placeKey(place);
    if (!isWorthProbing(facts, this.#probed.get(key))) return;
    this.#probed.set(key, clock.now() + probeEvery);
    const probe = async (): Promise<void> => {
      const signal = AbortSignal.timeout(probeLimit);
      const response = await askHead(anonymously, exchange, { origin, request, signal }, true);
      letGo(response);
      if (response.injected || (response.status !== 200 && response.status !== 206)) return;
      await records.notePublic(place, digest ?? statedBy(response).digest);
    };
    // The requester has been served; the next occasion tries again.
    probe().catch(() => this.#probed.delete(key));
  }
}

interface Asked {
  readonly exchange: Exchange;
  readonly origin: Origin;
  readonly request: PullRequest;
  readonly question: Question;
  readonly size: number | undefined;
  /** Whether it may be served without the answer. */
  readonly enough: boolean;
}

/** HEAD of the very thing. A registry that has no HEAD is asked for it, or its first byte, and the answer's body is not read. */
async function askHead(
  way: Fetch,
  exchange: Exchange,
  what: { readonly origin: Origin; readonly request: PullRequest; readonly signal: AbortSignal },
  bare: boolean,
): Promise<UpstreamResponse> {
  const made = askForContent(exchange, { ...what, method: "HEAD" });
  const nobodys = { headers: withoutIdentity(made.headers), authorization: undefined, inject: false };
  const ask = bare ? { ...made, ...nobodys } : made;
  const response = await way(ask);
  if (response.status !== 405 && response.status !== 501) return response;
  letGo(response);
  const headers = what.request.kind === "blob" ? { ...ask.headers, range: "bytes=0-0" } : ask.headers;
  return way({ ...ask, method: "GET", headers });
}

/** The answer to a HEAD has no body, and its connection is kept; another's body is not wanted. */
function letGo({ body }: UpstreamResponse): void {
  body.on("error", () => undefined);
  body.resume();
  body.once("data", () => body.destroy());
}

function placeKey({ origin, repository }: Place): string {
  return `${origin.name}|${repository}`;
}
