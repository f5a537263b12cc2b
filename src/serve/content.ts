import type {
  CacheRecord,
  FillFetch,
  FillSource,
  Flight,
  FlightHead,
  Flights,
  Joined,
  Records,
  Store,
  Stored,
} from "../cache/types.ts";
import type { Body } from "../core/body.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { blobMediaType } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";
import { contentRange } from "../core/range.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { Share } from "../core/shared-map.ts";
import type { CacheStatus, CacheType } from "../observe/trace.ts";
import type { Fetch } from "../upstream/types.ts";
import type { Access } from "./access.ts";
import { LookAgain } from "./look-again.ts";
import { askForContent, noteUpstream } from "./ask.ts";
import { type Plan, planAnswer } from "./conditional.ts";
import { cacheHeaders, contentHeaders, etagOf } from "./content-headers.ts";
import type { Exchange } from "./exchange.ts";
import { sourceOf } from "./fill-source.ts";
import { identityOf } from "./identity.ts";
import { ExpectedSizes } from "./expected-sizes.ts";
import { Refusal, refusalOf, sendRefusal } from "./refusal.ts";
import { referencesOf } from "./references.ts";
import { statedBy } from "./stated.ts";
import { whileHere } from "./while-here.ts";
import { sendBody, sendHead } from "./write.ts";

export interface ContentParts {
  readonly store: Store;
  readonly records: Records;
  readonly flights: Flights;
  readonly fetch: Fetch;
  readonly access: Access;
  readonly clock: { now(): number };
  /** For what manifests say of sizes. */
  readonly share?: Share;
  /** Is told of each manifest that was fetched for an exchange; undefined where nothing is fetched ahead. */
  readonly manifestFetched?:
    | ((exchange: Exchange, origin: Origin, repository: string, manifest: Buffer) => void)
    | undefined;
  /** Passes an exchange through uncached, for a machine whose disk fails. */
  readonly pass: (exchange: Exchange, origin: Origin, request: RegistryRequest) => Promise<void>;
}

/** A request for content by its digest. */
export type DigestRequest = Extract<RegistryRequest, { digest: Digest }> & { readonly kind: "blob" | "manifest" };

/**
 * The key under which an origin's own statement about a digest is kept: a blob and a manifest may be the same bytes, and the same
 * digest at another registry is for that registry to confirm.
 */
export function contentKey(origin: Origin, kind: "blob" | "manifest", digest: Digest): string {
  return `${kind}|${origin.name}|${digest}`;
}

/** Serves blobs and manifests by digest: from the store, from a flight, or by starting one. */
export class Content {
  readonly #parts: ContentParts;
  readonly #sizes: ExpectedSizes;

  constructor(parts: ContentParts) {
    this.#parts = parts;
    this.#sizes = new ExpectedSizes(parts.share);
  }

  /** `type` is the tier's word for the answer's headers. */
  async serve(exchange: Exchange, origin: Origin, request: DigestRequest, type: CacheType): Promise<void> {
    // Each round ends in an answer, or in a change of the store or the table of flights that the next round sees.
    for (let round = 0; round < 4; round += 1) {
      const { store, flights } = this.#parts;
      // In this order: what is held needs no word from the table, which may be another process's.
      const held = await store.stat(request.digest);
      const flight = held === undefined ? await flights.current(request.digest) : undefined;
      if (flight !== undefined || held !== undefined) {
        const outcome = await this.#serveKnown({ exchange, origin, request, type, flight, held });
        if (outcome === "served") return;
        if (outcome === "pass") break;
      } else if (exchange.request.method === "HEAD") {
        await this.#passHead(exchange, origin, request, type);
        return;
      } else if (await this.#lead(exchange, origin, request, type)) return;
    }
    await this.#parts.pass(exchange, origin, request);
  }

  /** What is held, or on its way, goes to whom its registry would serve: a digest alone opens nothing. */
  async #serveKnown({ exchange, origin, request, type, flight, held }: Known): Promise<"served" | "again" | "pass"> {
    const { access, records, clock } = this.#parts;
    const key = contentKey(origin, request.kind, request.digest);
    const known = await records.get(key);
    // Bytes that another registry brought are not this one's word for what they are.
    const stated = known === undefined && flight?.origin !== origin.name;
    // What was recorded was proven; a file of another size is damaged.
    const size = known?.size ?? held?.size;
    const admission = await access.admit(exchange, origin, request, { size, stated });
    if (admission === "pass") return "pass";
    if (admission instanceof Refusal) {
      sendRefusal(exchange, admission, cacheHeaders(exchange, "MISS", type));
      return "served";
    }
    if (flight !== undefined) {
      if (exchange.request.method === "HEAD") return this.#followHead(exchange, flight, type);
      return (await this.#follow(exchange, origin, request, { flight, leading: false }, type)) ? "served" : "again";
    }
    const mediaType = known?.mediaType ?? admission.stated?.mediaType ?? blobMediaType;
    const record = { digest: request.digest, mediaType, size: size ?? 0, checked: clock.now() };
    if (known === undefined) await records.put(key, record).catch(() => undefined);
    return (await this.serveHeld(exchange, record, "HIT", type)) ? "served" : "again";
  }

  /** Nobody has it: this request fetches it, and who asks meanwhile follows. False where there is something else to look at. */
  async #lead(exchange: Exchange, origin: Origin, request: DigestRequest, type: CacheType): Promise<boolean> {
    const started = this.#start(exchange, origin, request);
    const flight = started instanceof Promise ? await started : started;
    // Another was faster. What he fetches, or has fetched, is not ours to take unasked.
    if (flight === undefined) return false;
    return this.#follow(exchange, origin, request, { flight, leading: true }, type);
  }

  /**
   * Brings content into the store that nobody has asked for yet, with the credential of an exchange that was for something else of the same
   * repository. Rejects as the flight does.
   */
  async fetchAhead(exchange: Exchange, origin: Origin, request: DigestRequest): Promise<void> {
    const { flights, store } = this.#parts;
    const { kind, repository, digest } = request;
    if ((await store.stat(digest)) !== undefined || (await flights.current(digest)) !== undefined) return;
    const flight = await this.#start(exchange, origin, request, { path: `/v2/${repository}/${kind}s/${digest}` });
    await flight?.done;
  }

  /** A flight of our own, with all that is to be known of it; undefined where there is another one. */
  #start(
    exchange: Exchange,
    origin: Origin,
    request: DigestRequest,
    elsewhere: Pick<Rest, "path"> = {},
  ): Flight | undefined | Promise<Flight | undefined> {
    const { flights, access } = this.#parts;
    const fetch = this.#fetchOf(exchange, origin, request, elsewhere);
    const turn = access.leading(exchange, origin, request);
    const joined = flights.join(request.digest, origin.name, fetch, this.#expected(origin, request));
    const lead = ({ flight, leading }: Joined): Flight | undefined => {
      if (!leading) {
        turn.passed();
        return undefined;
      }
      turn.began(flight.head);
      if (request.kind === "manifest") void this.#rememberReferences(exchange, origin, request, flight);
      return flight;
    };
    // In one turn where it can be: who comes next then finds the flight and its leader.
    return joined instanceof Promise ? joined.then(lead) : lead(joined);
  }

  #fetchOf(exchange: Exchange, origin: Origin, request: DigestRequest, elsewhere: Pick<Rest, "path"> = {}): FillFetch {
    return (offset, signal, validator) =>
      this.#open(exchange, origin, request, { offset, signal, validator, ...elsewhere });
  }

  #expected(origin: Origin, { repository, digest }: DigestRequest): number | undefined {
    return this.#sizes.get(origin, repository, digest);
  }

  /** Answers from the store; false where the content is gone. */
  async serveHeld(exchange: Exchange, record: CacheRecord, status: CacheStatus, type: CacheType): Promise<boolean> {
    if (exchange.request.method === "HEAD") {
      const held = await this.#parts.store.stat(record.digest);
      if (held === undefined) return false;
      this.sendHeadOf(exchange, { ...record, size: held.size }, status, type);
      return true;
    }
    const body = await this.#parts.store.find(record.digest, record.size);
    if (body === undefined) return false;
    try {
      await this.send(exchange, record, body, status, type);
      return true;
    } catch (error) {
      body.close();
      // Damaged, or on a disk that fails, and found out before anything was sent.
      if (exchange.response.headersSent || !(error instanceof EntrepotError) || error.code !== "CACHE_IO") throw error;
      return false;
    }
  }

  /** Answers with a body, whole or the range asked for, and closes it. */
  async send(
    exchange: Exchange,
    content: { digest: Digest; mediaType: string },
    body: Body,
    status: CacheStatus,
    type: CacheType,
  ): Promise<void> {
    const headers = contentHeaders(exchange, content, status, type);
    const plan: Plan = planAnswer(exchange.headers, etagOf(content.digest), body.size);
    if (plan.status === 304 || plan.status === 416) {
      body.close();
      if (plan.status === 416) headers["content-range"] = `bytes */${body.size}`;
      if (plan.status === 416) headers["content-length"] = 0;
      sendHead(exchange, plan.status, headers);
      return;
    }
    const range = plan.status === 206 ? plan.range : undefined;
    if (range !== undefined) headers["content-range"] = contentRange(range, body.size ?? 0);
    const length = range === undefined ? body.size : range.last - range.first + 1;
    if (length !== undefined) headers["content-length"] = length;
    if (range !== undefined && range.last + 1 !== body.size) await body.proven?.();
    await sendBody(exchange, plan.status, headers, body, range);
  }

  /** The head of an answer with this content, for a HEAD. */
  sendHeadOf(
    exchange: Exchange,
    content: { digest: Digest; mediaType: string; size: number },
    status: CacheStatus,
    type: CacheType,
  ): void {
    const headers = contentHeaders(exchange, content, status, type);
    const plan = planAnswer(exchange.headers, etagOf(content.digest), content.size);
    if (plan.status === 304) {
      sendHead(exchange, 304, headers);
      return;
    }
    // RFC 9110 §14.2: Range has no meaning for a HEAD.
    headers["content-length"] = content.size;
    sendHead(exchange, 200, headers);
  }

  async #followHead(exchange: Exchange, flight: Flight, type: CacheType): Promise<"served" | "again"> {
    let head: FlightHead;
    try {
      head = await whileHere(exchange.signal, flight.head);
    } catch (error) {
      if (error instanceof LookAgain) return "again";
      throw error;
    }
    exchange.trace.collapsed = true;
    const content = { digest: flight.digest, mediaType: head.mediaType };
    if (head.size === undefined) sendHead(exchange, 200, contentHeaders(exchange, content, "MISS", type));
    else this.sendHeadOf(exchange, { ...content, size: head.size }, "MISS", type);
    return "served";
  }

  /** Streams from a flight; false where it turned out that there is something else to look at. */
  async #follow(
    exchange: Exchange,
    origin: Origin,
    request: DigestRequest,
    { flight, leading }: { readonly flight: Flight; readonly leading: boolean },
    type: CacheType,
  ): Promise<boolean> {
    if (!leading) exchange.trace.collapsed = true;
    // Joined before the head is awaited, so that a flight which stops without followers does not stop.
    const body = flight.follow(this.#fetchOf(exchange, origin, request));
    try {
      const head = await whileHere(exchange.signal, flight.head);
      await this.send(exchange, { digest: flight.digest, mediaType: head.mediaType }, body, "MISS", type);
      return true;
    } catch (error) {
      body.close();
      if (exchange.response.headersSent) throw error;
      if (error instanceof LookAgain) return false;
      // What another repository's manifest says of it is nothing to this one.
      if (!leading && isUnexpected(error) && error.detail.expected !== this.#expected(origin, request)) return false;
      if (error instanceof Refusal) return this.#passRefusal(exchange, error, leading, type);
      // The disk does not take it, which is no reason for a pull to fail.
      if (!(error instanceof EntrepotError) || error.code !== "CACHE_IO") throw error;
      await this.#parts.pass(exchange, origin, request);
      return true;
    }
  }

  /** The leader is given what its own request was answered; a follower only where it would have sent the same. */
  #passRefusal(exchange: Exchange, refusal: Refusal, leading: boolean, type: CacheType): boolean {
    if (!leading && refusal.identity !== identityOf(exchange.headers).text) return false;
    sendRefusal(exchange, refusal, cacheHeaders(exchange, "MISS", type));
    return true;
  }

  /** What a flight calls for bytes from an offset on. */
  async #open(exchange: Exchange, origin: Origin, request: DigestRequest, rest: Rest): Promise<FillSource> {
    const { store, fetch, access } = this.#parts;
    const { offset, signal, validator } = rest;
    if (offset === 0 && (await store.stat(request.digest)) !== undefined) throw new LookAgain();
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
    if (offset > 0 && validator !== undefined) headers["if-range"] = validator;
    const { path } = rest;
    // The types that the exchange accepts are those of manifests.
    if (path !== undefined && request.kind === "blob") headers["accept"] = "*/*";
    const ask = { origin, request, signal, method: "GET", headers, ...(path !== undefined && { path }) };
    const response = await fetch({ ...askForContent(exchange, ask), pour: true });
    if (path === undefined) noteUpstream(exchange, response);
    const given = response.status === 200 || response.status === 206;
    // That it belongs there is the registry's word, as it is in the answer to a HEAD, whatever becomes of the bytes.
    await access.learn(exchange, origin, request, response, given ? request.digest : undefined);
    if (given) return { ...sourceOf(response), proven: (...content) => this.#record(origin, request, ...content) };
    if (offset === 0) throw await refusalOf(response, identityOf(exchange.headers).text);
    response.body.destroy();
    const problem = `The registry answered ${response.status} when asked for the rest of a blob.`;
    // RFC 9110 §15.5.17: it has no such byte, so that what it has is shorter than it said. The others may pass.
    if (response.status === 416) throw new EntrepotError("UPSTREAM_WRONG_LENGTH", problem);
    throw new EntrepotError("UPSTREAM_UNREACHABLE", problem);
  }

  // Once the bytes are proven: what an upstream announced and did not send is never a fact. Before they are in the store: who finds them there
  // without a record has to ask.
  async #record(origin: Origin, request: DigestRequest, size: number, mediaType: string): Promise<void> {
    const { records, clock, access } = this.#parts;
    const { kind, repository, digest } = request;
    const record = { digest, mediaType, size, checked: clock.now() };
    await Promise.all([
      // One that could not be written costs a HEAD later.
      records.put(contentKey(origin, kind, digest), record).catch(() => undefined),
      access.fetched(origin, repository, digest),
    ]);
  }

  /** What a manifest of a repository refers to belongs to that repository. */
  async #rememberReferences(
    exchange: Exchange,
    origin: Origin,
    { repository, digest }: DigestRequest,
    flight: Flight,
  ): Promise<void> {
    try {
      await flight.done;
      const body = await this.#parts.store.find(digest);
      body?.close();
      if (body?.bytes !== undefined) await this.fetchedManifest(exchange, origin, repository, body.bytes);
    } catch {
      // Whoever follows the flight is told of its failure; what could not be noted is asked for.
    }
  }

  /** To be called with each manifest that was fetched for an exchange. */
  async fetchedManifest(exchange: Exchange, origin: Origin, repository: string, manifest: Buffer): Promise<void> {
    await this.noteReferences(origin, repository, manifest);
    this.#parts.manifestFetched?.(exchange, origin, repository, manifest);
  }

  async noteReferences(origin: Origin, repository: string, manifest: Buffer): Promise<void> {
    const references = referencesOf(manifest);
    this.#sizes.note(origin, repository, references);
    await this.#parts.access.referenced(
      origin,
      repository,
      references.map(({ digest }) => digest),
    );
  }

  /** A HEAD for what is not here stays one. */
  async #passHead(exchange: Exchange, origin: Origin, request: DigestRequest, type: CacheType): Promise<void> {
    const { fetch, access } = this.#parts;
    const response = await fetch(askForContent(exchange, { origin, request, signal: exchange.signal, method: "HEAD" }));
    noteUpstream(exchange, response);
    const answer = await refusalOf(response);
    const { size, mediaType } = statedBy(response);
    await access.learn(exchange, origin, request, response, response.status === 200 ? request.digest : undefined);
    if (response.status !== 200 || size === undefined) {
      sendRefusal(exchange, answer, cacheHeaders(exchange, "MISS", type));
    } else this.sendHeadOf(exchange, { digest: request.digest, mediaType, size }, "MISS", type);
  }
}

/** A request, and where what it asks for is. */
interface Known {
  readonly exchange: Exchange;
  readonly origin: Origin;
  readonly request: DigestRequest;
  readonly type: CacheType;
  readonly flight: Flight | undefined;
  readonly held: Stored | undefined;
}

/** The part of a blob that a flight still needs. */
interface Rest {
  readonly offset: number;
  readonly signal: AbortSignal;
  readonly validator: string | undefined;
  /** Where it is, if that is not what the exchange asked for. */
  readonly path?: string;
}

/** A flight's error where the upstream has more than the leader's manifest says. */
function isUnexpected(error: unknown): error is EntrepotError & { readonly detail: { readonly expected: number } } {
  if (!(error instanceof EntrepotError)) return false;
  const { detail } = error;
  return typeof detail === "object" && detail !== null && "expected" in detail && typeof detail.expected === "number";
}
