import type { Records } from "../cache/types.ts";
import { EntrepotError } from "../core/errors.ts";
import { first } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import { originOfUrl } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { Readable } from "node:stream";
import type { Fetch } from "../upstream/types.ts";
import { askAsIs, noteUpstream, pushScope } from "./ask.ts";
import { contentKey } from "./content.ts";
import { cacheHeaders } from "./content-headers.ts";
import type { TagRecords } from "./tag-records.ts";
import type { Exchange } from "./exchange.ts";
import type { PushKeeper } from "./push-keep.ts";
import { requestBody, sendResponse } from "./pass.ts";
import { sendError } from "./write.ts";

/** An upload that was taken to disk before it is sent on. */
export interface BufferedUpload {
  /** Bytes. */
  readonly size: number;
  stream(): Readable;
  discard(): Promise<void>;
}

export interface PushParts {
  readonly fetch: Fetch;
  /** PROXY_REQUEST_BUFFERING: takes a body to disk; undefined where it is off. */
  readonly buffer: ((body: Readable, signal: AbortSignal) => Promise<BufferedUpload>) | undefined;
  readonly records: Records;
  readonly tagRecords: TagRecords;
  /** CACHE_ON_PUSH: keeps what passes; undefined where it is off. */
  readonly keep: Pick<PushKeeper, "watch"> | undefined;
  /** Called once a push or a deletion was accepted: what was refused of the repository before may be there now. */
  readonly changed: (origin: Origin, repository: string) => void;
  /** INJECT_ON_PUSH. */
  readonly injectOnPush: boolean;
  /** Whether we hold a credential for an origin. */
  readonly holdsCredential: (origin: Origin) => boolean;
}

/**
 * Passes a push or a deletion on with the client's own credentials, or with ours where the operator says so; bodies of any size in bounded
 * memory.
 */
export async function push(
  parts: PushParts,
  exchange: Exchange,
  origin: Origin,
  request: RegistryRequest,
): Promise<void> {
  const body = requestBody(exchange);
  const buffered =
    body !== undefined && parts.buffer !== undefined ? await parts.buffer(body, exchange.signal) : undefined;
  const watch = parts.keep?.watch(exchange, origin, request);
  try {
    const whole = buffered === undefined ? body : buffered.stream();
    const sent = whole === undefined || watch === undefined ? whole : watch.through(whole);
    const response = await parts.fetch(
      askAsIs(exchange, {
        origin,
        request,
        signal: exchange.signal,
        inject: parts.injectOnPush,
        ...("repository" in request && { scope: pushScope(exchange.trace.method, request.repository) }),
        ...(sent && { body: sent, spend: sent === body }),
        ...(buffered && { headers: { "content-length": String(buffered.size) } }),
      }),
    );
    noteUpstream(exchange, response);
    if (response.status < 300) {
      await forgetManifest(parts, origin, request);
      if ("repository" in request) parts.changed(origin, request.repository);
    }
    const upstreams = first(response.headers.location);
    const location = upstreams === undefined ? undefined : usableLocation(upstreams, origin);
    await watch?.answered(response, location);
    const added = cacheHeaders(exchange, "BYPASS", "unknown");
    if (response.status === 401 && wouldHelp(parts, exchange, origin)) {
      response.body.destroy();
      const challenge = response.headers["www-authenticate"];
      sendError(exchange, new EntrepotError("UNAUTHORIZED", withoutCredentials), {
        ...added,
        ...(challenge !== undefined && { "www-authenticate": challenge }),
      });
      return;
    }
    if (location !== undefined) added["location"] = location;
    await sendResponse(exchange, response, added);
  } finally {
    watch?.end();
    await buffered?.discard();
  }
}

const withoutCredentials =
  "The registry wants credentials for a push and the client sent none. This proxy has some for pulls, and uses them for pushes too with INJECT_ON_PUSH=true.";

/** A client that reads with our credential never saw a challenge, so it sends none of its own and cannot know why it is refused. */
function wouldHelp(parts: PushParts, exchange: Exchange, origin: Origin): boolean {
  return !parts.injectOnPush && exchange.headers.authorization === undefined && parts.holdsCredential(origin);
}

/** What a manifest's PUT or DELETE changed is not served from the cache any more. */
async function forgetManifest(parts: PushParts, origin: Origin, request: RegistryRequest): Promise<void> {
  if (request.kind !== "manifest") return;
  if (request.tag !== undefined)
    await parts.tagRecords.forget({ origin, repository: request.repository, tag: request.tag });
  else await parts.records.delete(contentKey(origin, "manifest", request.digest)).catch(() => undefined);
}

/**
 * A registry behind a TLS-ending front may name itself by http:// in the Location of an upload; the client reaches that authority
 * through us by the scheme that it came with.
 */
export function usableLocation(location: string, origin: Origin): string {
  if (!URL.canParse(location)) return location;
  const url = new URL(location);
  const named = originOfUrl(url);
  const same = named?.host === origin.host && (named.port === origin.port || url.port === "");
  return same ? `${origin.scheme}://${origin.authority}${url.pathname}${url.search}` : location;
}
