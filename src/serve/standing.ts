import { formatChallenge, parseChallenges } from "../core/challenge.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { first } from "../core/headers.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";
import type { Origin } from "../core/origin.ts";
import { type Alarm, systemAlarm, withPatience } from "../upstream/patience.ts";
import type { Fetch } from "../upstream/types.ts";
import { isOutage } from "./outage.ts";
import type { Shape, Shapes } from "./shapes.ts";

export interface StandingParts {
  readonly fetch: Fetch;
  readonly shapes: Shapes;
  readonly coalesce: <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  readonly clock: Clock;
  readonly alarm?: Alarm;
  /** A map of this process alone unless given. */
  readonly share?: Share;
}

/**
 * How a registry answers `/v2/` to somebody who shows nothing, none of our credentials either: with which challenge, if any. Asked for at most once a
 * minute; where the registry cannot be reached, what it was last, before a restart too. Rejects as Fetch does where it never was known.
 */
export type Standing = (origin: Origin, signal: AbortSignal) => Promise<Shape>;

/** How long an answer counts, milliseconds. */
const freshFor = 60_000;
/** How long a registry that cannot be reached is not asked again, milliseconds. */
const retryAfter = 5000;
/** How long it is waited for where it is known how it answered last, milliseconds. */
const patience = 3000;
/** Registries that are fronts' upstreams; a handful. */
const most = 1000;

interface Known extends Shape {
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export function createStanding(parts: StandingParts): Standing {
  const { fetch, shapes, coalesce, clock, alarm = systemAlarm, share = ownMaps } = parts;
  const known = share<Known>("standings", most);
  const keep = (origin: Origin, shape: Shape, milliseconds: number): Shape => {
    known.set(origin.name, { ...shape, until: clock.now() + milliseconds });
    return shape;
  };

  const ask = async (origin: Origin, signal: AbortSignal): Promise<Shape> => {
    const response = await fetch({
      origin,
      method: "GET",
      path: "/v2/",
      headers: { accept: "application/json", "accept-encoding": "identity" },
      authorization: undefined,
      inject: false,
      scope: undefined,
      redirects: "pass",
      signal,
    });
    response.body.on("error", () => undefined);
    response.body.resume();
    const { status } = response;
    if (status === 429 || status >= 500)
      throw new EntrepotError("UPSTREAM_UNREACHABLE", `${origin.name} answered ${status} to GET /v2/.`);
    const challenge = status === 401 ? challengeOf(first(response.headers["www-authenticate"])) : undefined;
    return { status, ...(challenge !== undefined && { challenge }) };
  };

  return (origin, signal) => {
    const now = known.get(origin.name);
    if (now !== undefined && clock.now() < now.until && now.until - clock.now() <= freshFor)
      return Promise.resolve(now);
    return coalesce(`standing|${origin.name}`, signal, async (shared) => {
      const last = now ?? (await shapes.get(keyOf(origin)));
      const limited = { host: origin.host, signal: shared, milliseconds: last && patience };
      try {
        const shape = await withPatience(limited, alarm, (limit) => ask(origin, limit));
        void shapes.put(keyOf(origin), shape);
        return keep(origin, shape, freshFor);
      } catch (error) {
        if (last === undefined || !isOutage(error)) throw error;
        return keep(origin, last, retryAfter);
      }
    });
  };
}

function keyOf({ name }: Origin): string {
  return `standing|${name}`;
}

/** What clients of registries can answer, without what is about one request. */
function challengeOf(header: string | undefined): string | undefined {
  const kept = parseChallenges(header)
    .filter(({ scheme }) => scheme === "bearer" || scheme === "basic")
    .map(({ scheme, parameters }) => {
      const lasting = Object.entries(parameters).filter(([name]) => !name.startsWith("error"));
      return formatChallenge({ scheme, parameters: Object.fromEntries(lasting) });
    });
  return kept.length === 0 ? undefined : kept.join(", ");
}
