import { createHash } from "node:crypto";
import { Transform } from "node:stream";
import type { Clock } from "../core/clock.ts";
import type { Origin } from "../core/origin.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";
import { expiryOf } from "./grants.ts";

/** What a request to a token service tells of who asks. */
export interface TokenAsk {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Whether anything but the query could tell: an Authorization, a cookie, a key in a field of its own, a body. */
  readonly identified: boolean;
}

/** Parameters of a token request that name nobody (distribution token specification, "Requesting a Token"). */
const nameless = new Set(["service", "scope", "client_id", "offline_token"]);

/** Whether a token that answers this is one that anybody gets. Pure. */
export function isAnonymousAsk({ method, target, identified }: TokenAsk): boolean {
  if (method !== "GET" || identified) return false;
  const query = target.indexOf("?");
  if (query === -1) return true;
  return [...new URLSearchParams(target.slice(query + 1)).keys()].every((name) => nameless.has(name));
}

export interface AnonymousTokens {
  /** A registry's own challenge names the service: its word on who is anonymous counts at that registry, and nowhere else. */
  trust(registry: Origin, service: Origin): void;
  /** Remembers a token service's answer to an anonymous ask, as text. What is no token is of no account. */
  note(answer: string, service: Origin): void;
  /**
   * When an Authorization's token expires, milliseconds since the epoch, if it is one that the registry's token service issued to an anonymous
   * request and is still good.
   */
  until(authorization: string, registry: Origin): number | undefined;
}

/** Registries give anonymous tokens 5 minutes as a rule; what a service says beyond a day is not believed. Milliseconds. */
const longestLife = 86_400_000;
/** The specification's minimum where the service does not say. Seconds. */
const defaultSeconds = 60;

/** Bounded; holds hashes of tokens. */
export function createAnonymousTokens(clock: Clock, max = 20_000, share: Share = ownMaps): AnonymousTokens {
  const known = share<{ readonly until: number; readonly service: string }>("anonymous-tokens", max);
  const services = share<string>("token-services", 1000);
  return {
    trust(registry, service) {
      services.set(registry.name, service.name);
    },
    note(answer, service) {
      const issued = read(answer);
      if (issued === undefined) return;
      for (const token of issued.tokens) {
        const claimed = expiryOf(`Bearer ${token}`) ?? Number.POSITIVE_INFINITY;
        const until = Math.min(clock.now() + Math.min(issued.seconds * 1000, longestLife), claimed);
        known.set(hash(token), { until, service: service.name });
      }
    },
    until(authorization, registry) {
      const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
      const kept = token === undefined ? undefined : known.get(hash(token));
      if (kept === undefined || kept.service !== services.get(registry.name)) return undefined;
      return clock.now() < kept.until ? kept.until : undefined;
    },
  };
}

function hash(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

function read(answer: string): { readonly tokens: readonly string[]; readonly seconds: number } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(parsed));
  const tokens = [fields.get("token"), fields.get("access_token")].filter((token) => typeof token === "string");
  const seconds = Number(fields.get("expires_in"));
  return { tokens, seconds: seconds > 0 && Number.isFinite(seconds) ? seconds : defaultSeconds };
}

/** Bytes; a token answer that is longer is passed on unread. */
const longestAnswer = 64 * 1024;

/**
 * Passes an answer on as it comes, and hands it to `whole` if it is at most 64 KiB: before the piece that may be its last one is passed on, since the
 * client may use its token at once. `whole` may be called more than once, with more of the answer each time.
 */
export function sniffAnswer(whole: (answer: string) => void): Transform {
  let pieces: Buffer[] | undefined = [];
  let length = 0;
  let told = -1;
  const tell = (): void => {
    if (pieces === undefined || told === length) return;
    told = length;
    whole(Buffer.concat(pieces).toString("utf8"));
  };
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      length += piece.length;
      if (length > longestAnswer) pieces = undefined;
      pieces?.push(piece);
      if (endOfObject.test(piece.subarray(-4).toString("latin1"))) tell();
      done(null, piece);
    },
    flush(done) {
      tell();
      done();
    },
  });
}

const endOfObject = /\}\s*$/;
