import { EntrepotError } from "../core/errors.ts";
import { type Origin, defaultPorts, isSameServer, originOfUrl } from "../core/origin.ts";

/** Decides where a redirect leads; no I/O. RFC 9110 §15.4. */

export interface Place {
  readonly origin: Origin;
  readonly method: string;
  /** Raw path and query. */
  readonly path: string;
}

export const mostRedirects = 10;

const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * The place that an answer sends to; undefined where it is no redirect (a 3xx without a Location is an answer like another). Throws
 * UPSTREAM_REDIRECTS, which names the host alone, since the rest of a Location may be signed.
 * `start`: the request's own origin; where that is spoken to in plain HTTP, nothing is lost by going on so.
 */
export function nextPlace(
  from: Place,
  status: number,
  location: string | undefined,
  start: Origin,
  isPlain: (origin: Origin) => boolean,
): Place | undefined {
  if (!redirects.has(status) || location === undefined) return undefined;
  const text = asUtf8(location.trim());
  const base = `${from.origin.scheme}://${from.origin.authority}${from.path}`;
  const url = URL.canParse(text, base) ? new URL(text, base) : undefined;
  const named = url && originOfUrl(url);
  if (url === undefined || named === undefined) {
    throw refusal(`${from.origin.host} redirects to something that is no HTTP address.`);
  }
  const spelt = isPlain(from.origin) ? ownName(named, from.origin) : named;
  // Whoever is asked in somebody's name redirects within it.
  const origin = isSameServer(spelt, from.origin) ? from.origin : spelt;
  if (origin.scheme === "http" && from.origin.scheme === "https" && !isPlain(start)) {
    throw refusal(`${from.origin.host} redirects from https to plain http on ${origin.host}, which is not followed.`);
  }
  const method = status === 303 && from.method !== "HEAD" ? "GET" : from.method;
  return { origin, method, path: rawPath(text) ?? url.pathname + url.search };
}

/** A registry that is listed as plain HTTP has an https name with us, but calls itself http. */
function ownName(named: Origin, from: Origin): Origin {
  const samePort = named.port === from.port || (named.port === defaultPorts.http && from.port === defaultPorts.https);
  return named.scheme === "http" && named.host === from.host && samePort ? from : named;
}

/** Follows at most ten redirects and none twice. Throws UPSTREAM_REDIRECTS. */
export function createItinerary(start: Place): { visit(place: Place): void } {
  const seen = new Set([keyOf(start)]);
  return {
    visit(place) {
      const key = keyOf(place);
      if (seen.has(key)) throw refusal(`${place.origin.host} redirects in a circle.`);
      if (seen.size > mostRedirects) {
        throw refusal(`More than ${mostRedirects} redirects, the last to ${place.origin.host}.`);
      }
      seen.add(key);
    },
  };
}

/** Scheme, host and port: what an Authorization is good for. */
export function sameOrigin(one: Origin, other: Origin): boolean {
  return one.name === other.name;
}

function keyOf(place: Place): string {
  return `${place.method} ${place.origin.name} ${place.path}`;
}

/** The target of an absolute Location exactly as it stands there: what signed it may not read another spelling as the same. */
function rawPath(location: string): string | undefined {
  const match = /^https?:\/\/[^/?#\\]*([^#]*)/i.exec(location);
  const target = match?.[1];
  if (target === undefined || !/^[\x21-\x7e]*$/.test(target) || target.includes("\\")) return undefined;
  return target.startsWith("/") ? target : `/${target}`;
}

/** node reads header bytes as Latin-1; what is beyond ASCII in a Location is UTF-8. */
function asUtf8(text: string): string {
  return /[\x80-\xff]/.test(text) ? Buffer.from(text, "latin1").toString("utf8") : text;
}

function refusal(message: string): EntrepotError {
  return new EntrepotError("UPSTREAM_REDIRECTS", message);
}
