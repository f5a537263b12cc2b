import type { CacheRecord, Records, Store } from "../cache/types.ts";
import { type Digest, digestOf, algorithmOf, parseDigest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentLength, first } from "../core/headers.ts";
import { MemoryBody } from "../core/memory-body.ts";
import { acceptKey } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { CacheStatus } from "../observe/trace.ts";
import type { Tier } from "../policy/tiers.ts";
import { systemAlarm, withPatience } from "../upstream/patience.ts";
import type { Fetch, UpstreamResponse } from "../upstream/types.ts";
import type { Access } from "./access.ts";
import { askForContent, noteUpstream } from "./ask.ts";
import { type Content, contentKey } from "./content.ts";
import { cacheHeaders, etagOf } from "./content-headers.ts";
import type { Exchange } from "./exchange.ts";
import type { TagName, TagRecords } from "./tag-records.ts";
import { identityOf } from "./identity.ts";
import { isOutage } from "./outage.ts";
import type { RecentRefusals } from "./recent-refusals.ts";
import { readUpTo, Refusal, refusalOf, sendRefusal } from "./refusal.ts";

/** A manifest that is larger is not one; OCI distribution 1.1, "Pushing Manifests", asks registries for 4 MiB. Bytes. */
const largestManifest = 32 * 1024 * 1024;

/** How long a registry is waited for where there is something to serve without it, milliseconds. */
const patience = 5000;
/** How long a check in the background may take, milliseconds. */
const refreshLimit = 30_000;

export interface TagParts {
  readonly store: Store;
  readonly records: Records;
  readonly tags: TagRecords;
  readonly fetch: Fetch;
  readonly clock: { now(): number };
  readonly content: Content;
  /** One piece of work at a time for a key; all who ask meanwhile share its outcome. */
  readonly coalesce: <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly access: Access;
  readonly refusals: RecentRefusals;
  /** updating: past its time, but to be served at once and checked afterwards. `ttl` in milliseconds. */
  readonly judge: (record: CacheRecord | undefined, ttl: number) => "absent" | "fresh" | "updating" | "expired";
  /** Whether a record may stand in for a registry that cannot be asked. */
  readonly mayServeStale: (record: CacheRecord, ttl: number) => boolean;
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
    const { tags, judge, refusals } = this.#parts;
    const name: TagName = { origin, repository: request.repository, tag: request.tag };
    const pull: TagPull = { exchange, origin, request, name, tier };
    const known = await tags.get(name, exchange.headers.accept);
    const verdict = judge(known, tier.ttl);
    try {
      if (known !== undefined && verdict === "fresh" && (await this.#answerAdmitted(pull, known, "HIT"))) return;
      if (known !== undefined && verdict === "updating" && (await this.#answerAdmitted(pull, known, "UPDATING"))) {
        this.#refresh(pull);
        return;
      }
      const refused = refusals.get(workKey("any", pull));
      if (refused !== undefined) throw refused;
      await (exchange.request.method === "HEAD" ? this.#askHead(pull, known) : this.#askBody(pull, known));
    } catch (error) {
      if (exchange.response.headersSent) throw error;
      if (isOutage(error) && (await this.#answerStale(pull))) return;
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 404) await tags.forget(name);
      refusals.put(workKey("any", pull), { origin, repository: request.repository }, error);
      sendRefusal(exchange, error, cacheHeaders(exchange, "MISS", tier.type));
    }
  }

  /** Answers from what is held, to whom the registry would serve it; false where it has to be asked after all. */
  async #answerAdmitted(pull: TagPull, known: CacheRecord, status: CacheStatus): Promise<boolean> {
    // Without its manifest a tag is only a rumour: it may have been deleted through us, by its digest.
    if (!(await this.#isHeld(pull.origin, known))) return false;
    const admission = await this.#parts.access.admit(pull.exchange, pull.origin, pull.request);
    if (admission === "pass") return false;
    if (admission instanceof Refusal) {
      sendRefusal(pull.exchange, admission, cacheHeaders(pull.exchange, "MISS", pull.tier.type));
      return true;
    }
    // Asked for the right to read, the registry happened to say that the tag has moved.
    const moved = admission.stated?.digest !== undefined && admission.stated.digest !== known.digest;
    return !moved && this.#answer(pull, known, status);
  }

  /** An outage does not stop a pull, of those who may be served without asking. */
  async #answerStale(pull: TagPull): Promise<boolean> {
    const { access } = this.#parts;
    const known = await this.#standIn(pull);
    if (known === undefined || !(await access.admitsInOutage(pull.exchange, pull.origin, pull.request))) return false;
    return this.#answer(pull, known, "STALE");
  }

  /** What there is to serve where the registry cannot be asked; one that is held before one that is only known. */
  async #standIn({ exchange, origin, name, tier }: TagPull): Promise<CacheRecord | undefined> {
    const { tags, mayServeStale } = this.#parts;
    const known = await tags.inOutage(name, exchange.headers.accept);
    const good = known.filter((record) => mayServeStale(record, tier.ttl));
    for (const record of good) if (await this.#isHeld(origin, record)) return record;
    return exchange.request.method === "HEAD" ? good[0] : undefined;
  }

  /** Behind an answer that was served at once: what the tag is now. Nobody waits for it. */
  #refresh(pull: TagPull): void {
    this.#head(pull, AbortSignal.timeout(refreshLimit), undefined).catch(() => undefined);
  }

  /** A client's HEAD stays one; an answer without digest or length is passed on as it is. */
  async #askHead(pull: TagPull, known: CacheRecord | undefined): Promise<void> {
    const resolved = await this.#head(pull, pull.exchange.signal, (known ?? (await this.#standIn(pull))) && patience);
    if (resolved.record === undefined) throw resolved.unusable;
    await this.#answer(pull, resolved.record, statusOf(known, resolved.record));
  }

  /** What is held is confirmed by HEAD; a body is fetched only where the tag has moved to one that is not held. */
  async #askBody(pull: TagPull, known: CacheRecord | undefined): Promise<void> {
    const isHeld = known !== undefined && (await this.#isHeld(pull.origin, known));
    const held = isHeld ? known : await this.#standIn(pull);
    const resolved = held === undefined ? undefined : await this.#head(pull, pull.exchange.signal, patience);
    const now = resolved?.record;
    if (now !== undefined && (await this.#answer(pull, now, statusOf(known ?? held, now)))) return;
    // What is held may turn out damaged when it is to be sent: then it is fetched whole.
    const isStill = held !== undefined && (await this.#isHeld(pull.origin, held));
    for (const condition of isStill ? [held, undefined] : [undefined]) {
      const { record, bytes } = await this.#get(pull, condition);
      const status = bytes === undefined ? "REVALIDATED" : statusOf(known, record, "EXPIRED");
      if (bytes === undefined && (await this.#answer(pull, record, status))) return;
      if (bytes !== undefined) {
        await this.#parts.content.send(pull.exchange, record, new MemoryBody(bytes), status, pull.tier.type);
        return;
      }
    }
    throw new EntrepotError("CACHE_IO", "The cached manifest vanished while it was revalidated; pull again.");
  }

  /** Answers from the record and the store; false where the body is not here. */
  async #answer(pull: TagPull, record: CacheRecord, status: CacheStatus): Promise<boolean> {
    if (pull.exchange.request.method === "HEAD") {
      this.#parts.content.sendHeadOf(pull.exchange, record, status, pull.tier.type);
      return true;
    }
    if (!(await this.#isHeld(pull.origin, record))) return false;
    return this.#parts.content.serveHeld(pull.exchange, record, status, pull.tier.type);
  }

  /** Bytes that another registry brought are not this one's word for them, so its own statement is asked for as well. */
  async #isHeld(origin: Origin, record: CacheRecord): Promise<boolean> {
    const { records, store } = this.#parts;
    const stated = await records.get(contentKey(origin, "manifest", record.digest));
    return stated !== undefined && (await store.stat(record.digest)) !== undefined;
  }

  /** HEAD upstream: free of Docker Hub's pull quota. */
  #head(pull: TagPull, limit: AbortSignal, milliseconds: number | undefined): Promise<Resolved> {
    const { exchange, name, origin } = pull;
    const { accept } = exchange.headers;
    return this.#parts.coalesce(workKey("HEAD", pull), limit, async (whole) => {
      const response = await withPatience({ host: origin.host, signal: whole, milliseconds }, systemAlarm, (signal) =>
        this.#parts.fetch(askForContent(exchange, { ...pull, signal, method: "HEAD" })),
      );
      noteUpstream(exchange, response);
      const answer = await refusalOf(response);
      const record = response.status === 200 ? this.#recordOf(response) : undefined;
      await this.#parts.access.learn(exchange, pull.origin, pull.request, response, record?.digest);
      if (response.status === 405 || response.status === 501) return { unusable: answer };
      if (response.status !== 200) throw answer;
      if (record === undefined) return { unusable: answer };
      await this.#parts.tags.put(name, accept, record);
      return { record };
    });
  }

  /** GET upstream; conditional where a body is held (RFC 9110 §13.1.2: registries use the quoted digest as the ETag). */
  #get(pull: TagPull, held: CacheRecord | undefined): Promise<Extract<Resolved, { record: CacheRecord }>> {
    const { exchange, origin, name } = pull;
    const { accept } = exchange.headers;
    const { fetch, store, records, tags, clock, access } = this.#parts;
    return this.#parts.coalesce(`${workKey("GET", pull)}|${held?.digest ?? ""}`, exchange.signal, async (signal) => {
      const headers: Record<string, string> = held === undefined ? {} : { "if-none-match": etagOf(held.digest) };
      const response = await fetch(askForContent(exchange, { ...pull, signal, method: "GET", headers }));
      noteUpstream(exchange, response);
      if (response.status === 304 && held !== undefined) {
        response.body.resume();
        const record = { ...held, checked: clock.now() };
        await access.learn(exchange, origin, pull.request, response, held.digest);
        await tags.put(name, accept, record);
        return { record };
      }
      if (response.status !== 200) {
        await access.learn(exchange, origin, pull.request, response);
        throw await refusalOf(response);
      }
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
        access.learn(exchange, origin, pull.request, response, digest),
        this.#parts.content.fetchedManifest(exchange, origin, pull.request.repository, bytes),
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
  readonly tier: Tier;
}

/** Work is shared by those who would get the same answer: with the same Accept and the same credential. */
function workKey(method: "GET" | "HEAD" | "any", { exchange, name }: TagPull): string {
  const { headers } = exchange;
  const identity = identityOf(headers).text ?? "";
  return [method, name.origin.name, name.repository, name.tag, acceptKey(headers.accept), identity].join("|");
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
