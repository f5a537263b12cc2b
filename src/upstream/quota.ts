import type { IncomingHttpHeaders } from "node:http";
import type { Clock } from "../core/clock.ts";
import { first } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";

/** One figure of Docker Hub's pull limit, `100;w=21600`. */
export interface QuotaFigure {
  readonly count: number;
  /** Milliseconds; undefined where the field does not say. */
  readonly window: number | undefined;
}

/** Reads `ratelimit-limit` and `ratelimit-remaining`; undefined for what cannot be read. Of several policies in a list the first counts. */
export function parseQuota(header: string | undefined): QuotaFigure | undefined {
  const match = /^\s*(\d{1,12})\s*(?:;([^,]*))?(?:,|$)/.exec(header ?? "");
  if (match === null) return undefined;
  const seconds = /(?:^|;)\s*w\s*=\s*(\d{1,12})\s*(?:;|$)/.exec(match[2] ?? "")?.[1];
  return { count: Number(match[1]), window: seconds === undefined ? undefined : Number(seconds) * 1000 };
}

/** What an origin last said of one quota. No credential in it. */
export interface Quota {
  /** Name of the origin. */
  readonly origin: string;
  /** Whose it is: the key that `observe` was given. */
  readonly payer: string;
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds. */
  readonly window: number | undefined;
  /** What the registry counts by: an address or an account, `docker-ratelimit-source`. */
  readonly source: string | undefined;
  /** Milliseconds since the epoch. */
  readonly seen: number;
}

export interface QuotasOptions {
  readonly clock: Clock;
  /** Called when less than a tenth is left; once, until there is more again. */
  readonly onLow: (quota: Quota) => void;
  /** Quotas that are remembered; 200 unless given. */
  readonly max?: number;
  /** A map of this process alone unless given. */
  readonly share?: Share;
}

export interface Quotas {
  /** `payer` tells quotas of one origin apart; never a credential itself. Answers without the fields are of no account. */
  observe(origin: Origin, payer: string, headers: IncomingHttpHeaders): void;
  /** The least that is left first. A quota that was not heard of for its window (a day where it has none) is whole again, and gone from here. */
  list(): Quota[];
}

const lowShare = 0.1;
const defaultWindow = 86_400_000;
/** Of a text that an upstream chose. */
const longestSource = 100;

/** The pull quotas of this instance, as the registries tell of them. Docker Hub is the one that does. */
export function createQuotas({ clock, onLow, max = 200, share = ownMaps }: QuotasOptions): Quotas {
  const kept = share<{ readonly quota: Quota; readonly low: boolean }>("quotas", max);
  const isOver = ({ seen, window = defaultWindow }: Quota): boolean => clock.now() - seen >= window;

  return {
    observe(origin, payer, headers) {
      const left = parseQuota(first(headers["ratelimit-remaining"]));
      if (left === undefined) return;
      const key = `${origin.name}|${payer}`;
      const known = kept.get(key);
      const before = known === undefined || isOver(known.quota) ? undefined : known;
      const limit = parseQuota(first(headers["ratelimit-limit"]));
      const most = limit?.count ?? before?.quota.limit ?? left.count;
      const low = left.count < most * lowShare;
      const quota: Quota = {
        origin: origin.name,
        payer,
        limit: most,
        remaining: left.count,
        window: left.window ?? limit?.window ?? before?.quota.window,
        source: first(headers["docker-ratelimit-source"])?.slice(0, longestSource),
        seen: clock.now(),
      };
      kept.set(key, { quota, low });
      if (low && before?.low !== true) onLow(quota);
    },

    list() {
      const all = [...kept.entries()].map(([, { quota }]) => quota).filter((quota) => !isOver(quota));
      return all.toSorted((one, other) => one.remaining / (one.limit || 1) - other.remaining / (other.limit || 1));
    },
  };
}
