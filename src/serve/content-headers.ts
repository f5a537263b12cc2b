import type { Digest } from "../core/digest.ts";
import type { CacheStatus, CacheType } from "../observe/trace.ts";
import type { Exchange } from "./exchange.ts";
import type { ResponseHeaders } from "./write.ts";

/** The parameters of our entry in Cache-Status (RFC 9211 §2). */
const cacheStatusFields: Readonly<Record<CacheStatus, string>> = {
  HIT: "hit",
  MISS: "fwd=uri-miss; stored",
  EXPIRED: "fwd=stale; stored",
  REVALIDATED: "hit; fwd=stale; fwd-status=200",
  STALE: "hit; fwd=stale; detail=upstream-failed",
  UPDATING: "hit; detail=updating",
  BYPASS: "fwd=bypass",
};

/** What we say of our own part in an answer, in the old proxy's words and the standard's. */
function statusFields(status: CacheStatus, type: CacheType, collapsed: boolean): ResponseHeaders {
  return {
    "x-docker-registry-proxy-cache-upstream-status": status,
    "x-docker-registry-proxy-cache-type": type,
    "cache-status": `entrepot; ${cacheStatusFields[status]}${collapsed ? "; collapsed" : ""}`,
  };
}

/** The same, noted in the trace as well. */
export function cacheHeaders(exchange: Exchange, status: CacheStatus, type: CacheType): ResponseHeaders {
  const { trace } = exchange;
  trace.cache = status;
  trace.tier = type;
  return statusFields(status, type, trace.collapsed === true);
}

/** The strong validator of content: its digest. */
export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

export interface ContentFacts {
  readonly digest: Digest;
  readonly mediaType: string;
}

/** The fields of an answer that sends, or stands for, content of a digest. Clients fall back to counted requests without digest and length. */
export function contentFields(
  content: ContentFacts,
  status: CacheStatus,
  type: CacheType,
  collapsed: boolean,
): ResponseHeaders {
  return {
    "content-type": content.mediaType,
    "docker-content-digest": content.digest,
    "docker-distribution-api-version": "registry/2.0",
    etag: etagOf(content.digest),
    "accept-ranges": "bytes",
    ...statusFields(status, type, collapsed),
  };
}

/** The same, noted in the trace as well. */
export function contentHeaders(
  exchange: Exchange,
  content: ContentFacts,
  status: CacheStatus,
  type: CacheType,
): ResponseHeaders {
  const { trace } = exchange;
  trace.cache = status;
  trace.tier = type;
  return contentFields(content, status, type, trace.collapsed === true);
}
