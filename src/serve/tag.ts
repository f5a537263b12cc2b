import type { CacheRecord, Records, Store } from "../cache/types.ts";
import { type Digest, digestOf, algorithmOf, parseDigest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentLength, first } from "../core/headers.ts";
import { MemoryBody } from "../core/memory-body.ts";
import { acceptKey } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { CacheStatus, CacheType } from "../observe/trace.ts";
import type { Tier } from "../policy/tiers.ts";
import type { Fetch, UpstreamResponse } from "../upstream/types.ts";
import { askForContent, noteUpstream } from "./ask.ts";
import { type Content, contentKey } from "./content.ts";
import { cacheHeaders, etagOf } from "./content-headers.ts";
import type { Exchange } from "./exchange.ts";
import type { TagName, TagRecords } from "./tag-records.ts";
import { readUpTo, Refusal, refusalOf, sendRefusal } from "./refusal.ts";

/** A manifest that is larger is not one; OCI distribution 1.1, "Pushing Manifests", asks registries for 4 MiB. Bytes. */
const largestManifest = 32 * 1024 * 1024;

export interface TagParts {
  readonly store: Store;
  readonly records: Records;
  readonly tags: TagRecords;
  readonly fetch: Fetch;
  readonly clock: { now(): number };
  readonly content: Content;
  /** One piece of work at a time for a key; all who ask meanwhile share its outcome. */
  readonly coalesce: <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly judge: (record: CacheRecord | undefined, ttl: number, now: number) => "absent" | "fresh" | "expired";
}

export type TagRequest = Extract<RegistryRequest, { tag: string }>;

/** What an upstream says a tag is: its record, with the body where it was fetched; or an answer that a cache cannot use. */
type Resolved =
  | { readonly record: CacheRecord; readonly bytes?: Buffer; readonly unusable?: never }
  | { readonly record?: never; readonly unusable: Refusal };

/** Serves manifests by tag: a tag maps to a digest, and the body lives under the digest. */
export class Tags {
  readonly #parts: TagParts;

  constructor(parts: TagParts) {
    this.#parts = parts;
  }

  async serve(exchange: Exchange, origin: Origin, request: TagRequest, tier: Tier): Promise<void> {
    const { tags, judge, clock } = this.#parts;
    const name: TagName = { origin, repository: request.repository, tag: request.tag };
    const pull: TagPull = { exchange, origin, request, name, type: tier.type };
    const known = await tags.get(name, exchange.request.headers.accept);
    const verdict = judge(known, tier.ttl, clock.now());
    try {
      const isHead = exchange.request.method === "HEAD";
      if (known !== undefined && verdict === "fresh") {
        // A manifest that was deleted by its digest is not held any more, under whatever tags it was known: a HEAD is not to find it either.
        const isGone = isHead && !(await this.#isHeld(origin, known));
        if (!isGone && (await this.#answer(pull, known, "HIT"))) return;
      }
      await (isHead ? this.#askHead(pull, known) : this.#askBody(pull, known));
    } catch (error) {
      if (exchange.response.headersSent) throw error;
      if (known !== undefined && isOutage(error) && (await this.#answer(pull, known, "STALE"))) return;
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 404) await tags.forget(name);
      sendRefusal(exchange, error, cacheHeaders(exchange, "MISS", tier.type));
    }
  }

  /** A client's HEAD stays one; an answer without digest or length is passed on as it is. */
  async #askHead(pull: TagPull, known: CacheRecord | undefined): Promise<void> {
    const resolved = await this.#head(pull);
    if (resolved.record === undefined) throw resolved.unusable;
    await this.#answer(pull, resolved.record, statusOf(known, resolved.record));
  }

  /** What is held is confirmed by HEAD; a body is fetched only where the tag has moved to one that is not held. */
  async #askBody(pull: TagPull, known: CacheRecord | undefined): Promise<void> {
    const held = known !== undefined && (await this.#isHeld(pull.origin, known)) ? known : undefined;
    const resolved = held === undefined ? undefined : await this.#head(pull);
    if (resolved?.record !== undefined && (await this.#answer(pull, resolved.record, statusOf(known, resolved.record))))
      return;
    const { record, bytes } = await this.#get(pull, held);
    if (bytes !== undefined) {
      await this.#parts.content.send(
        pull.exchange,
        record,
        new MemoryBody(bytes),
        statusOf(known, record, "EXPIRED"),
        pull.type,
      );
    } else if (!(await this.#answer(pull, record, "REVALIDATED"))) {
      throw new EntrepotError("CACHE_IO", "The cached manifest vanished while it was revalidated; pull again.");
    }
  }

  /** Answers from the record and the store; false where the body is not here. */
  async #answer(pull: TagPull, record: CacheRecord, status: CacheStatus): Promise<boolean> {
    if (pull.exchange.request.method === "HEAD") {
      this.#parts.content.sendHeadOf(pull.exchange, record, status, pull.type);
      return true;
    }
    if (!(await this.#isHeld(pull.origin, record))) return false;
    return this.#parts.content.serveHeld(pull.exchange, record, status, pull.type);
  }

  /** Bytes that another registry brought are not this one's word for them, so its own statement is asked for as well. */
  async #isHeld(origin: Origin, record: CacheRecord): Promise<boolean> {
    const { records, store } = this.#parts;
    const stated = await records.get(contentKey(origin, "manifest", record.digest));
    return stated !== undefined && (await store.stat(record.digest)) !== undefined;
  }

  /** HEAD upstream: free of Docker Hub's pull quota. */
  #head(pull: TagPull): Promise<Resolved> {
    const { exchange, name } = pull;
    const { authorization, accept } = exchange.request.headers;
    return this.#parts.coalesce(workKey("HEAD", pull), exchange.signal, async (signal) => {
      const response = await this.#parts.fetch(askForContent(exchange, { ...pull, signal, method: "HEAD" }));
      noteUpstream(exchange, response);
      const answer = await refusalOf(response, authorization);
      if (response.status === 405 || response.status === 501) return { unusable: answer };
      if (response.status !== 200) throw answer;
      const record = this.#recordOf(response);
      if (record === undefined) return { unusable: answer };
      await this.#parts.tags.put(name, accept, record);
      return { record };
    });
  }

  /** GET upstream; conditional where a body is held (RFC 9110 §13.1.2: registries use the quoted digest as the ETag). */
  #get(pull: TagPull, held: CacheRecord | undefined): Promise<Extract<Resolved, { record: CacheRecord }>> {
    const { exchange, origin, name } = pull;
    const { authorization, accept } = exchange.request.headers;
    const { fetch, store, records, tags, clock } = this.#parts;
    return this.#parts.coalesce(workKey("GET", pull), exchange.signal, async (signal) => {
      const headers: Record<string, string> = held === undefined ? {} : { "if-none-match": etagOf(held.digest) };
      const response = await fetch(askForContent(exchange, { ...pull, signal, method: "GET", headers }));
      noteUpstream(exchange, response);
      if (response.status === 304 && held !== undefined) {
        response.body.resume();
        const record = { ...held, checked: clock.now() };
        await tags.put(name, accept, record);
        return { record };
      }
      if (response.status !== 200) throw await refusalOf(response, authorization);
      const bytes = await readUpTo(response, largestManifest);
      if (bytes.length === largestManifest) {
        throw new EntrepotError("UPSTREAM_PROTOCOL", "The registry sent a manifest of 32 MiB or more.");
      }
      const digest = verified(bytes, parseDigest(first(response.headers["docker-content-digest"]) ?? ""));
      const record = { digest, mediaType: mediaTypeOf(response, bytes), size: bytes.length, checked: clock.now() };
      // A disk that does not take it is no reason for a pull to fail: the bytes are here.
      await Promise.allSettled([
        store.put(digest, bytes),
        records.put(contentKey(origin, "manifest", digest), record),
        tags.put(name, accept, record),
      ]);
      return { record, bytes };
    });
  }

  #recordOf(response: UpstreamResponse): CacheRecord | undefined {
    const digest = parseDigest(first(response.headers["docker-content-digest"]) ?? "");
    const mediaType = first(response.headers["content-type"]);
    const size = contentLength(response.headers);
    if (digest === undefined || size === undefined || mediaType === undefined) return undefined;
    return { digest, mediaType, size, checked: this.#parts.clock.now() };
  }
}

interface TagPull {
  readonly exchange: Exchange;
  readonly origin: Origin;
  readonly request: TagRequest;
  readonly name: TagName;
  readonly type: CacheType;
}

/** Work is shared by those who would get the same answer: with the same Accept and the same credential. */
function workKey(method: "GET" | "HEAD", { exchange, name }: TagPull): string {
  const { accept, authorization } = exchange.request.headers;
  return [method, name.origin.name, name.repository, name.tag, acceptKey(accept), authorization ?? ""].join("|");
}

function statusOf(known: CacheRecord | undefined, now: CacheRecord, same: CacheStatus = "REVALIDATED"): CacheStatus {
  if (known === undefined) return "MISS";
  return known.digest === now.digest ? same : "EXPIRED";
}

/** The digest of a manifest's bytes; the one that the upstream claimed has to be the same. */
function verified(bytes: Buffer, claimed: Digest | undefined): Digest {
  const digest = digestOf(bytes, claimed === undefined ? "sha256" : algorithmOf(claimed));
  if (claimed !== undefined && claimed !== digest) {
    throw new EntrepotError(
      "UPSTREAM_WRONG_DIGEST",
      "The registry sent a manifest that is not of the digest it named.",
    );
  }
  return digest;
}

/** OCI image 1.1 manifests name their own type; a registry that says only "JSON" or "bytes" is corrected by it. */
function mediaTypeOf(response: UpstreamResponse, bytes: Buffer): string {
  const said = first(response.headers["content-type"]);
  if (said !== undefined && !/^(?:application\/(?:json|octet-stream)|text\/plain)\b/.test(said)) return said;
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    if (
      typeof parsed === "object" &&
      parsed !== null &&
      "mediaType" in parsed &&
      typeof parsed.mediaType === "string"
    ) {
      return parsed.mediaType;
    }
  } catch {
    // Not JSON: what the registry said stands.
  }
  return said ?? "application/vnd.docker.distribution.manifest.v1+prettyjws";
}

/** An upstream that cannot be asked, or says that it cannot answer now: no word about the tag. */
function isOutage(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 429 || error.status >= 500;
  return error instanceof EntrepotError && error.code.startsWith("UPSTREAM_") && error.code !== "UPSTREAM_WRONG_DIGEST";
}
