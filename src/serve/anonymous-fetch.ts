import { exchange, realmOf } from "../auth/exchange.ts";
import { createTokenCache } from "../auth/token-cache.ts";
import { parseChallenges } from "../core/challenge.ts";
import type { Clock } from "../core/clock.ts";
import { first } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import type { Share } from "../core/shared-map.ts";
import type { Fetch, UpstreamRequest, UpstreamResponse } from "../upstream/types.ts";
import { withoutIdentity } from "./identity.ts";
import { isOutage } from "./outage.ts";

export interface AnonymousFetchOptions {
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** Whether a registry is spoken to in plain HTTP, so that its token service may be too. */
  readonly isPlain: (origin: Origin) => boolean;
  /** Tokens are kept in maps of this process alone unless given. */
  readonly share?: Share;
}

/**
 * A fetch as nobody: without the requester's Authorization, cookies and keys, without a credential of ours, and with an anonymous token where the
 * registry's challenge asks for one. A 401 that cannot be answered so is the answer, but where the token service is out of order nobody knows it: rejects then.
 */
export function createAnonymousFetch({ fetch, clock, isPlain, share }: AnonymousFetchOptions): Fetch {
  const tokens = createTokenCache({
    exchange: (request, signal) => exchange((bare) => fetch({ ...bare, inject: false }), request, signal),
    clock,
    name: "anonymous",
    share,
    maxEntries: 1000,
    refusedMs: 5000,
    timeoutMs: 20_000,
    // The next request then waits for a new one.
    onRenewalFailed: () => undefined,
  });
  return async (request) => {
    const bare = { ...request, headers: withoutIdentity(request.headers), authorization: undefined, inject: false };
    const response = await fetch(bare);
    const wanted = response.status === 401 ? tokenRequestOf(response, request, isPlain) : undefined;
    // What is streamed cannot be sent again.
    if (wanted === undefined || request.body !== undefined) return response;
    const token = await tokens.obtain(wanted, request.signal).catch((error: unknown) => {
      if (!isOutage(error)) return undefined;
      letGo(response);
      throw error;
    });
    if (token === undefined) return response;
    letGo(response);
    const again = await fetch({ ...bare, authorization: `Bearer ${token}` });
    if (again.status === 401) tokens.reject(wanted, token);
    return { ...again, attempts: response.attempts + again.attempts };
  };
}

function tokenRequestOf(
  { headers, from }: UpstreamResponse,
  { origin, scope }: UpstreamRequest,
  isPlain: (origin: Origin) => boolean,
) {
  // Of another host's challenge the client of the way out has made what can be made.
  if (from.name !== origin.name) return undefined;
  const challenge = parseChallenges(first(headers["www-authenticate"])).find(({ scheme }) => scheme === "bearer");
  const realm = realmOf(challenge?.parameters["realm"]);
  if (challenge === undefined || realm === undefined) return undefined;
  if (realm.origin.scheme === "http" && !isPlain(origin)) return undefined;
  const { service, scope: asked = scope } = challenge.parameters;
  return { realm, service, scope: asked, credential: undefined };
}

function letGo({ body }: UpstreamResponse): void {
  body.on("error", () => undefined);
  body.resume();
}
