import { type Challenge, formatChallenge, parseChallenges } from "../core/challenge.ts";
import { first } from "../core/headers.ts";
import { isSameServer, type Origin, originOfUrl } from "../core/origin.ts";
import { usableLocation } from "../serve/push.ts";
import type { View } from "../serve/view.ts";
import type { ResponseHeaders } from "../serve/write.ts";
import type { Renamed } from "./names.ts";
import { urlOf } from "./public-url.ts";

/** How the answers of one upstream are to be seen by the clients of a front. */
export interface Seen {
  readonly upstream: Origin;
  /** Path and query that the upstream is asked for; what it says relatively is relative to that. */
  readonly target: string;
  /** The front's own path (and query) for one of the upstream's; undefined where it has none, so that the upstream's own URL stays. */
  readonly path: (target: string) => string | undefined;
  /** What the front calls a repository of the upstream. Those that it has no name for are left out of lists. Without: the same. */
  readonly name?: Renamed;
  /** A challenge as its clients are to have it; undefined: they are to have none. Without: as it came. */
  readonly challenge?: (challenge: Challenge) => Challenge | undefined;
  /** Any other text of an error. Without: as it came. */
  readonly text?: (text: string) => string;
  /** Fields to add or replace, by what is otherwise there. */
  readonly fields?: (status: number, headers: ResponseHeaders) => ResponseHeaders;
}

/** A view in which challenges, Location, Link, lists and errors speak of the front. */
export function createView(seen: Seen): View {
  const { name, challenge, text, fields } = seen;
  return {
    fields(status, headers) {
      const changed = { ...headers };
      const told = textOf(headers["www-authenticate"]);
      if (told !== undefined && challenge !== undefined) {
        const shown = seenChallenges(told, challenge);
        if (shown === undefined) delete changed["www-authenticate"];
        else changed["www-authenticate"] = shown;
      }
      const location = textOf(headers["location"]);
      if (location !== undefined) changed["location"] = seenUrl(location, seen);
      const link = textOf(headers["link"]);
      // RFC 8288 §3: each target stands between < and >.
      if (link !== undefined)
        changed["link"] = link.replace(/<([^>]*)>/g, (_, url: string) => `<${seenUrl(url, seen)}>`);
      return fields === undefined ? changed : { ...changed, ...fields(status, changed) };
    },
    body:
      name === undefined && text === undefined
        ? undefined
        : (kind, status, body) =>
            status >= 400
              ? seenError(body, name ?? ((same) => same), text ?? ((same) => same))
              : seenList(kind, body, name),
  };
}

/** Header text with each of its challenges changed; undefined where none is left. */
export function seenChallenges(
  header: string,
  change: (challenge: Challenge) => Challenge | undefined,
): string | undefined {
  const shown = parseChallenges(header).flatMap((one) => change(one) ?? []);
  return shown.length === 0 ? undefined : shown.map((one) => formatChallenge(one)).join(", ");
}

/** A path where the front has one, so that it is right under whatever name the front is reached; else the whole URL. */
function seenUrl(given: string, { upstream, target, path }: Seen): string {
  const base = urlOf(upstream) + target;
  if (!URL.canParse(given, base)) return given;
  const url = new URL(usableLocation(new URL(given, base).href, upstream));
  const named = originOfUrl(url);
  if (named === undefined || !isSameServer(named, upstream)) return given;
  return path(url.pathname + url.search) ?? url.href;
}

function textOf(value: ResponseHeaders[string] | undefined): string | undefined {
  return typeof value === "number" ? undefined : first(value);
}

function seenList(kind: string | undefined, body: unknown, name: Renamed | undefined): unknown {
  if (name === undefined || !isMap(body)) return body;
  if (kind === "tags" && typeof body["name"] === "string") return { ...body, name: name(body["name"]) ?? body["name"] };
  if (kind === "catalog" && Array.isArray(body["repositories"])) {
    const all: readonly unknown[] = body["repositories"];
    return { ...body, repositories: all.flatMap((one) => (typeof one === "string" ? (name(one) ?? []) : [])) };
  }
  return body;
}

/** Registries repeat the name in the detail of an error: `{"name": ...}` or, of what a token lacks, `[{"Type": "repository", "Name": ...}]`. */
function seenError(body: unknown, name: Renamed, text: (text: string) => string): unknown {
  const change = (value: unknown, key: string): unknown => {
    if (typeof value === "string")
      return /^(?:name|repository)$/i.test(key) ? (name(value) ?? text(value)) : text(value);
    if (Array.isArray(value)) return value.map((one: unknown) => change(one, key));
    if (!isMap(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([field, one]) => [field, change(one, field)]));
  };
  return change(body, "");
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
