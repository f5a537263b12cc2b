import { LRUCache } from "lru-cache";
import type { CacheRecord, CacheVariant, HotRecords, HotStore } from "../cache/types.ts";
import { acceptKey } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";
import { parseRegistryRequest } from "../core/request.ts";
import type { CacheStatus, Trace } from "../observe/trace.ts";
import type { Decision, PullRequest } from "../policy/decide.ts";
import type { Tier } from "../policy/tiers.ts";
import { contentKey } from "./content.ts";
import { contentFields } from "./content-headers.ts";
import { tagKey } from "./tag-records.ts";

/** What a request without a body asks for, as a listener's fast lane reads it. */
export interface HotAsk {
  readonly origin: Origin;
  readonly method: "GET" | "HEAD";
  /** The whole target of the request line. */
  readonly target: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer of status 200 that needs nothing but memory. */
export interface HotAnswer {
  /** Status line and fields, each line ended, without what is the connection's own to say: Date, Connection, the empty line. */
  readonly head: string;
  /** Undefined for a HEAD. Not to be written to. */
  readonly body: Buffer | undefined;
  /** For the log line. */
  readonly facts: Required<Pick<Trace, "kind" | "repository" | "reference" | "cache" | "tier">>;
}

/**
 * Answers at once, or once what it takes is read from the disk into memory, or says undefined for "ask the handler": that is never wrong, only
 * slower. Never rejects.
 */
export type HotLook = (ask: HotAsk) => HotAnswer | undefined | Promise<HotAnswer | undefined>;

export interface HotParts {
  readonly decide: (method: string, request: ReturnType<typeof parseRegistryRequest>) => Decision;
  readonly records: Pick<HotRecords, "hot" | "get">;
  readonly store: Pick<HotStore, "hot" | "warm">;
  /** Whether the requester is known, without asking anybody, to be one whom the registry would serve. */
  readonly admits: (ask: HotAsk, request: PullRequest) => boolean;
  /** Brings into memory what `admits` looks at. Never rejects. */
  readonly lookUp: (ask: HotAsk, request: PullRequest) => Promise<void>;
  /** Whether a tag may be served without asking. `ttl` in milliseconds. */
  readonly isFresh: (known: CacheRecord | undefined, ttl: number) => boolean;
}

/** Targets whose meaning is remembered, and with it the head of their answer: some kilobytes each. */
const mostTargets = 4000;
/** Bytes: larger content is not copied beside its head. */
const largest = 64 * 1024;
/** Fields that make an answer another one than the whole content (RFC 9110 §13.2.2, §14.2). */
const changing = ["range", "if-none-match", "if-range"];

interface Known {
  readonly method: HotAsk["method"];
  readonly origin: string;
  readonly request: PullRequest;
  readonly tier: Tier;
  /** Of a tag's record. */
  readonly tag: string | undefined;
  accept: string | undefined;
  acceptKey: string;
  /** The head below was made of this one. */
  record: CacheVariant | undefined;
  contentKey: string;
  head: string;
  facts: HotAnswer["facts"];
}

/**
 * Serves from memory, in one step, what the handler of registries would serve as a HIT with status 200; the two must never differ
 * but in speed. What is small and on the disk is brought into memory first. What a target means is remembered; what it is answered with is looked up each time.
 */
export function createHotLook(parts: HotParts): HotLook {
  const { records, store, admits, isFresh } = parts;
  /** By the target alone, a text that the lane keeps, and that is not hashed again; of several origins and methods, the last one's. */
  const targets = new LRUCache<string, Known>({ max: mostTargets });
  let plainest: HotAsk["headers"] | undefined;

  /** Whether a request is for the whole content; its fields are often the last one's. */
  function isPlain(headers: HotAsk["headers"]): boolean {
    if (headers === plainest) return true;
    if (changing.some((name) => headers[name] !== undefined)) return false;
    plainest = headers;
    return true;
  }

  function recall({ origin, method, target }: HotAsk): Known | undefined {
    const known = targets.get(target);
    return known?.method === method && known.origin === origin.name ? known : undefined;
  }

  function currentRecord(known: Known, { headers }: HotAsk): CacheVariant | undefined {
    if (known.tag === undefined) return records.hot(known.contentKey);
    if (known.acceptKey === "" || known.accept !== headers["accept"]) {
      known.accept = headers["accept"];
      known.acceptKey = acceptKey(known.accept);
    }
    const variant = records.hot(known.tag)?.variants?.[known.acceptKey];
    return isFresh(variant, known.tier.ttl) ? variant : undefined;
  }

  function answer(ask: HotAsk, known: Known): HotAnswer | undefined {
    const record = currentRecord(known, ask);
    if (record === undefined) return undefined;
    if (record !== known.record) {
      // A manifest by tag is held only where its registry has also said what its digest is.
      known.contentKey = contentKey(ask.origin, known.request.kind, record.digest);
    }
    if (known.tag !== undefined && records.hot(known.contentKey) === undefined) return undefined;
    if (!admits(ask, known.request)) return undefined;
    const body = store.hot(record.digest);
    if (body === undefined || body.length > largest) return undefined;
    if (record !== known.record) {
      if (!isFieldValue(record.mediaType)) return undefined;
      known.record = record;
      known.head = headOf(record, ask.method === "GET" || known.tag === undefined ? body.length : record.size, known);
      known.facts = factsOf(known);
    }
    if (recall(ask) !== known) targets.set(ask.target, known);
    return { head: known.head, body: ask.method === "HEAD" ? undefined : body, facts: known.facts };
  }

  /** Small content that is asked for by its digest for the first time since the start, or again after a while. */
  function isOnDisk({ method }: HotAsk, known: Known): boolean {
    if (method === "HEAD" || known.tag !== undefined) return false;
    const record = records.hot(known.contentKey);
    return record === undefined || record.size <= largest;
  }

  async function warm(ask: HotAsk, known: Known): Promise<HotAnswer | undefined> {
    const record = await records.get(known.contentKey);
    if (record === undefined || record.size > largest) return undefined;
    if (!admits(ask, known.request)) await parts.lookUp(ask, known.request);
    // Nothing is read for whom it is not.
    if (!admits(ask, known.request)) return undefined;
    await store.warm(record.digest, record.size);
    return answer(ask, known);
  }

  return (ask) => {
    if (!isPlain(ask.headers)) return undefined;
    const known = recall(ask) ?? learn(ask, parts.decide);
    if (known === undefined) return undefined;
    return answer(ask, known) ?? (isOnDisk(ask, known) ? warm(ask, known) : undefined);
  };
}

const status: CacheStatus = "HIT";

function learn({ origin, method, target }: HotAsk, decide: HotParts["decide"]): Known | undefined {
  // No client writes such a target for content; the log has it without its query.
  if (/[?%]/.test(target)) return undefined;
  const decision = decide(method, parseRegistryRequest(target));
  if (decision.action !== "pull") return undefined;
  const { request, tier } = decision;
  const tag = request.kind === "manifest" ? request.tag : undefined;
  const known = {
    method,
    origin: origin.name,
    request,
    tier,
    tag: tag === undefined ? undefined : tagKey({ origin, repository: request.repository, tag }),
    accept: undefined,
    acceptKey: "",
    record: undefined,
    contentKey: request.digest === undefined ? "" : contentKey(origin, request.kind, request.digest),
    head: "",
  };
  return { ...known, facts: factsOf(known) };
}

function headOf(record: CacheVariant, length: number, { tier }: Known): string {
  const fields = { ...contentFields(record, status, tier.type, false), "content-length": length };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return `HTTP/1.1 200 OK\r\n${lines.join("")}`;
}

function factsOf({ request, tier }: Pick<Known, "request" | "tier">): HotAnswer["facts"] {
  const { kind, repository } = request;
  return { kind, repository, reference: request.digest ?? request.tag, cache: status, tier: tier.type };
}

/** RFC 9110 §5.5; a media type may come out of a manifest's JSON, where anything can stand. */
function isFieldValue(text: string): boolean {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text);
}
