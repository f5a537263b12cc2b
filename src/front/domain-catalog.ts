import { EntrepotError } from "../core/errors.ts";
import { first } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import { askAsIs, noteUpstream } from "../serve/ask.ts";
import { cacheHeaders } from "../serve/content-headers.ts";
import type { Exchange } from "../serve/exchange.ts";
import { sendResponse } from "../serve/pass.ts";
import { readUpTo } from "../serve/refusal.ts";
import { largestViewed } from "../serve/view.ts";
import { sendBytes } from "../serve/write.ts";
import type { Fetch, UpstreamResponse } from "../upstream/types.ts";
import type { Prefix } from "./prefix.ts";

export interface CatalogParts {
  readonly upstream: Origin;
  readonly prefix: Prefix;
  readonly fetch: Fetch;
}

/** Pages of a registry that one answer may take: who has this many repositories of others before ours asks for larger ones. */
const mostPages = 1000;

/**
 * `_catalog` with only the prefix's repositories. The registry's pages are read until there is one of ours to show, so that no page is empty
 * but the last, and its Link names none of the others.
 */
export async function answerCatalog(parts: CatalogParts, exchange: Exchange): Promise<void> {
  const asked = new URLSearchParams(exchange.arrival.target.split(/\?(.*)/s, 2)[1] ?? "");
  const ours = await collect(parts, exchange, asked);
  if ("status" in ours) {
    await sendResponse(exchange, ours, cacheHeaders(exchange, "BYPASS", "unknown"));
    return;
  }
  const { repositories, next } = ours;
  sendBytes(
    exchange,
    200,
    {
      "content-type": "application/json",
      "docker-distribution-api-version": "registry/2.0",
      ...(next !== undefined && { link: `</v2/_catalog?${next.toString()}>; rel="next"` }),
      ...cacheHeaders(exchange, "BYPASS", "unknown"),
    },
    `${JSON.stringify({ repositories })}\n`,
  );
}

interface Ours {
  /** By the names that they have here. */
  readonly repositories: readonly string[];
  /** What the next page is asked for with; undefined: there is none. */
  readonly next: URLSearchParams | undefined;
}

async function collect(
  parts: CatalogParts,
  exchange: Exchange,
  asked: URLSearchParams,
): Promise<Ours | UpstreamResponse> {
  const { prefix } = parts;
  const last = asked.get("last");
  const n = Number(asked.get("n"));
  const most = Number.isInteger(n) && n > 0 ? n : Infinity;
  const isStart = [...asked.keys()].every((name) => name === "n");
  // In order of names the prefix's come after the prefix itself, so that what is before need not be read.
  let jumped = isStart && prefix.name !== "";
  let query = new URLSearchParams(asked);
  if (last !== null) query.set("last", prefix.full(last));
  else if (jumped) query.set("last", prefix.name);
  const found: string[] = [];
  for (let pages = 0; pages < mostPages; pages++) {
    const page = await readPage(parts, exchange, query);
    if (jumped && found.length === 0 && isNothing(page)) {
      // Not every registry takes a name that it does not have for a place in its list.
      jumped = false;
      if ("status" in page) page.body.on("error", () => undefined).resume();
      query = new URLSearchParams(asked);
      continue;
    }
    if ("status" in page) return page;
    found.push(...page.repositories);
    // A registry that has no pages sends all of them again.
    const shown = last === null || !found.includes(last) ? found : found.slice(found.indexOf(last) + 1);
    const isWhole = most === Infinity ? shown.length > 0 : shown.length >= most;
    if (page.next !== undefined && !isWhole) {
      query = page.next;
      continue;
    }
    return cut(shown, most, page.next, asked);
  }
  throw new EntrepotError(
    "UPSTREAM_PROTOCOL",
    "The registry lists too many repositories that are not shown here; ask for larger pages with n=.",
  );
}

function isNothing(page: Page | UpstreamResponse): boolean {
  return "status" in page
    ? page.status === 400 || page.status === 404
    : page.repositories.length === 0 && page.next === undefined;
}

/** A page of `most` at the most. It goes on after its last one; where the registry says by other means how, those are passed on. */
function cut(
  shown: readonly string[],
  most: number,
  upstreams: URLSearchParams | undefined,
  asked: URLSearchParams,
): Ours {
  const byName = upstreams === undefined || upstreams.has("last");
  const isLonger = byName && shown.length > most;
  const repositories = isLonger ? shown.slice(0, most) : shown;
  if (upstreams === undefined && !isLonger) return { repositories, next: undefined };
  const next = new URLSearchParams(upstreams ?? asked);
  const end = repositories.at(-1);
  if (byName && end !== undefined) next.set("last", end);
  return { repositories, next };
}

interface Page {
  readonly repositories: readonly string[];
  /** The registry's own. */
  readonly next: URLSearchParams | undefined;
}

async function readPage(
  { upstream, prefix, fetch }: CatalogParts,
  exchange: Exchange,
  query: URLSearchParams,
): Promise<Page | UpstreamResponse> {
  const path = `/v2/_catalog${query.size === 0 ? "" : `?${query.toString()}`}`;
  const request = { kind: "catalog" } as const;
  const response = await fetch(
    askAsIs(exchange, { origin: upstream, request, path, method: "GET", signal: exchange.signal, redirects: "follow" }),
  );
  noteUpstream(exchange, response);
  if (response.status !== 200) return response;
  const bytes = await readUpTo(response, largestViewed);
  return { repositories: namesIn(bytes).flatMap((name) => prefix.bare(name) ?? []), next: nextOf(response) };
}

function namesIn(bytes: Buffer): string[] {
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    const list = typeof parsed === "object" && parsed !== null && "repositories" in parsed ? parsed.repositories : [];
    if (Array.isArray(list)) return list.filter((name) => typeof name === "string");
    // A registry of no repositories at all may say null.
    if (list === null) return [];
  } catch {
    // Said below.
  }
  throw new EntrepotError("UPSTREAM_PROTOCOL", "The registry's list of repositories is none.");
}

/** RFC 8288; OCI distribution 1.1, "Listing Tags", which `_catalog` follows. */
function nextOf({ headers }: UpstreamResponse): URLSearchParams | undefined {
  const link = first(headers["link"]);
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(link ?? "")?.[1];
  return target === undefined ? undefined : new URLSearchParams(target.split(/\?(.*)/s, 2)[1] ?? "");
}
