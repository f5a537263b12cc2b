import type { IncomingHttpHeaders } from "node:http";
import { first } from "../core/headers.ts";
import { type ByteRange, parseRange, resolveRange } from "../core/range.ts";

/** How a conditional or range request for content of a known digest is answered (RFC 9110 §13.2.2). */
export type Plan =
  | { readonly status: 200 }
  | { readonly status: 304 }
  | { readonly status: 206; readonly range: ByteRange }
  | { readonly status: 416 };

/**
 * Pure. `etag` is the strong validator, a quoted digest. `size` in bytes; undefined while a flight does not know it: then no range can
 * be promised and the whole is sent.
 */
export function planAnswer(headers: IncomingHttpHeaders, etag: string, size: number | undefined): Plan {
  if (matchesNone(headers["if-none-match"], etag)) return { status: 304 };
  if (size === undefined || !rangeApplies(first(headers["if-range"]), etag)) return { status: 200 };
  const spec = parseRange(headers.range);
  if (spec === undefined) return { status: 200 };
  const range = resolveRange(spec, size);
  return range === "unsatisfiable" ? { status: 416 } : { status: 206, range };
}

/** RFC 9110 §13.1.2, by weak comparison. Some clients send the digest bare, without its quotes. */
function matchesNone(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return header.split(",").some((entry) => {
    const tag = entry.trim().replace(/^W\//, "");
    return tag === etag || `"${tag}"` === etag;
  });
}

/** RFC 9110 §13.1.5: only a strong validator that is ours keeps the range; a date never does, as we send none. */
function rangeApplies(header: string | undefined, etag: string): boolean {
  return header === undefined || header.trim() === etag;
}
