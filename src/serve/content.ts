import type { CacheRecord, FillSource, Flight, Flights, Records, Store } from "../cache/types.ts";
import type { Body } from "../core/body.ts";
import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentLength, first } from "../core/headers.ts";
import { blobMediaType } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";
import { contentRange, parseContentRange } from "../core/range.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { CacheStatus, CacheType } from "../observe/trace.ts";
import type { Fetch, UpstreamResponse } from "../upstream/types.ts";
import { askForContent, noteUpstream } from "./ask.ts";
import { type Plan, planAnswer } from "./conditional.ts";
import { cacheHeaders, contentHeaders, etagOf } from "./content-headers.ts";
import type { Exchange } from "./exchange.ts";
import { Refusal, refusalOf, sendRefusal } from "./refusal.ts";
import { sendBody, sendHead } from "./write.ts";

export interface ContentParts {
  readonly store: Store;
  readonly records: Records;
  readonly flights: Flights;
  readonly fetch: Fetch;
  readonly clock: { now(): number };
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

/** The content was adopted between a look and the start of a flight: look again. */
class AlreadyHeld extends Error {}

/** Serves blobs and manifests by digest: from the store, from a flight, or by starting one. */
export class Content {
  readonly #parts: ContentParts;

  constructor(parts: ContentParts) {
    this.#parts = parts;
  }

  /** `type` is the tier's word for the answer's headers. */
  async serve(exchange: Exchange, origin: Origin, request: DigestRequest, type: CacheType): Promise<void> {
    const key = contentKey(origin, request.kind, request.digest);
    // Each round ends in an answer, or in a change of the store or the table of flights that the next round sees.
    for (let round = 0; round < 4; round += 1) {
      const record = await this.#parts.records.get(key);
      if (record !== undefined && (await this.serveHeld(exchange, record, "HIT", type))) return;
      const flight = this.#parts.flights.current(request.digest);
      if (exchange.request.method === "HEAD") {
        await (flight?.origin === origin.name
          ? this.#followHead(exchange, flight, type)
          : this.#passHead(exchange, origin, request, type));
        return;
      }
      if (flight !== undefined && flight.origin !== origin.name) {
        // On its way from another registry. A digest alone opens nothing: this one is asked.
        if (!(await this.#admit(exchange, origin, request, type))) return;
        if (await this.#follow(exchange, origin, request, { flight, leading: false }, type)) return;
        continue;
      }
      const held = flight === undefined ? await this.#parts.store.stat(request.digest) : undefined;
      if (held !== undefined) {
        // Brought by another registry.
        const stated = await this.#admit(exchange, origin, request, type);
        if (stated === undefined) return;
        if (stated.size !== held.size) break;
        await this.#parts.records.put(key, stated).catch(() => undefined);
        continue;
      }
      const joined = this.#parts.flights.join(request.digest, origin.name, (offset, signal) =>
        this.#open(exchange, origin, request, offset, signal),
      );
      if (joined.leading) void this.#remember(key, joined.flight);
      if (await this.#follow(exchange, origin, request, joined, type)) return;
    }
    await this.#parts.pass(exchange, origin, request);
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
    await this.send(exchange, record, body, status, type);
    return true;
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
    const plan: Plan = planAnswer(exchange.request.headers, etagOf(content.digest), body.size);
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
    const plan = planAnswer(exchange.request.headers, etagOf(content.digest), content.size);
    if (plan.status === 304) {
      sendHead(exchange, 304, headers);
      return;
    }
    // RFC 9110 §14.2: Range has no meaning for a HEAD.
    headers["content-length"] = content.size;
    sendHead(exchange, 200, headers);
  }

  async #followHead(exchange: Exchange, flight: Flight, type: CacheType): Promise<void> {
    const head = await flight.head;
    exchange.trace.collapsed = true;
    if (head.size === undefined) {
      sendHead(
        exchange,
        200,
        contentHeaders(exchange, { digest: flight.digest, mediaType: head.mediaType }, "MISS", type),
      );
    } else
      this.sendHeadOf(exchange, { digest: flight.digest, mediaType: head.mediaType, size: head.size }, "MISS", type);
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
    const body = flight.follow();
    try {
      const head = await flight.head;
      if (exchange.isGone) throw new EntrepotError("CANCELLED", "The client went away.");
      await this.send(exchange, { digest: flight.digest, mediaType: head.mediaType }, body, "MISS", type);
      return true;
    } catch (error) {
      body.close();
      if (exchange.response.headersSent) throw error;
      if (error instanceof AlreadyHeld) return false;
      if (error instanceof Refusal) return this.#passRefusal(exchange, error, leading, type);
      // The disk does not take it, which is no reason for a pull to fail.
      if (!(error instanceof EntrepotError) || error.code !== "CACHE_IO") throw error;
      await this.#parts.pass(exchange, origin, request);
      return true;
    }
  }

  /** The leader is given what its own request was answered; a follower only where it would have sent the same. */
  #passRefusal(exchange: Exchange, refusal: Refusal, leading: boolean, type: CacheType): boolean {
    if (!leading && refusal.authorization !== exchange.request.headers.authorization) return false;
    sendRefusal(exchange, refusal, cacheHeaders(exchange, "MISS", type));
    return true;
  }

  /** What a flight calls for bytes from `offset` on. */
  async #open(
    exchange: Exchange,
    origin: Origin,
    request: DigestRequest,
    offset: number,
    signal: AbortSignal,
  ): Promise<FillSource> {
    const { store, fetch } = this.#parts;
    if (offset === 0 && (await store.stat(request.digest)) !== undefined) throw new AlreadyHeld();
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const response = await fetch(askForContent(exchange, { origin, request, signal, method: "GET", headers }));
    noteUpstream(exchange, response);
    if (offset > 0 && response.status !== 200 && response.status !== 206) {
      response.body.destroy();
      throw new EntrepotError(
        "UPSTREAM_PROTOCOL",
        `The registry answered ${response.status} when asked for the rest of a blob.`,
      );
    }
    if (response.status !== 200 && response.status !== 206) {
      throw await refusalOf(response, exchange.request.headers.authorization);
    }
    return sourceOf(response);
  }

  /** Once the bytes are proven: what an upstream announced and did not send is never a fact. */
  async #remember(key: string, flight: Flight): Promise<void> {
    const { store, records, clock } = this.#parts;
    try {
      await flight.done;
      const { mediaType, size: announced } = await flight.head;
      const size = announced ?? (await store.stat(flight.digest))?.size;
      if (size !== undefined) await records.put(key, { digest: flight.digest, mediaType, size, checked: clock.now() });
    } catch {
      // Whoever follows the flight is told; a record that could not be written costs a HEAD later.
    }
  }

  /** Asks this origin by HEAD whether the requester may have the digest; where not, its refusal is the answer. */
  async #admit(
    exchange: Exchange,
    origin: Origin,
    request: DigestRequest,
    type: CacheType,
  ): Promise<CacheRecord | undefined> {
    const { record, refusal } = await this.#head(exchange, origin, request);
    if (record === undefined) sendRefusal(exchange, refusal, cacheHeaders(exchange, "MISS", type));
    return record;
  }

  async #passHead(exchange: Exchange, origin: Origin, request: DigestRequest, type: CacheType): Promise<void> {
    const record = await this.#admit(exchange, origin, request, type);
    if (record !== undefined) this.sendHeadOf(exchange, record, "MISS", type);
  }

  async #head(
    exchange: Exchange,
    origin: Origin,
    request: DigestRequest,
  ): Promise<{ record?: CacheRecord; refusal: Refusal }> {
    const { fetch, clock } = this.#parts;
    const response = await fetch(askForContent(exchange, { origin, request, signal: exchange.signal, method: "HEAD" }));
    noteUpstream(exchange, response);
    const refusal = await refusalOf(response, exchange.request.headers.authorization);
    const size = contentLength(response.headers);
    if (response.status !== 200 || size === undefined) return { refusal };
    const mediaType = first(response.headers["content-type"]) ?? blobMediaType;
    return { record: { digest: request.digest, mediaType, size, checked: clock.now() }, refusal };
  }
}

function sourceOf(response: UpstreamResponse): FillSource {
  const mediaType = first(response.headers["content-type"]) ?? blobMediaType;
  const length = contentLength(response.headers);
  if (response.status === 200) return { size: length, mediaType, offset: 0, body: response.body };
  const range = parseContentRange(first(response.headers["content-range"]));
  if (range === undefined) {
    response.body.destroy();
    throw new EntrepotError("UPSTREAM_PROTOCOL", "The registry answered 206 without a Content-Range that can be read.");
  }
  return { size: range.size, mediaType, offset: range.first, body: response.body };
}
