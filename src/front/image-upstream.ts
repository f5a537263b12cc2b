import { type Challenge, formatChallenge, parseChallenges } from "../core/challenge.ts";
import type { Origin } from "../core/origin.ts";
import { parseRegistryRequest } from "../core/request.ts";
import { pullScope, pushScope } from "../serve/ask.ts";
import { urlOf } from "./public-url.ts";

/** Where an image proxy is, and what it calls its token service. */
export interface Self {
  readonly url: Origin;
  readonly service: string;
}

/** Path of the token endpoint. */
export const authPath = "/v2/auth";

/** The registry's challenge with the realm of ours, and nothing else of it changed. */
export function withOwnRealm(challenge: Challenge, { url }: Self): Challenge {
  return { ...challenge, parameters: { ...challenge.parameters, realm: urlOf(url) + authPath } };
}

/** What a registry is to its image proxy, by the challenge that it answers `/v2/` with. */
export interface Asked {
  /** WWW-Authenticate; undefined where it wants nothing. */
  readonly challenge: string | undefined;
  /** Whether a credential of ours is sent where a client sends none. */
  readonly lends: boolean;
}

/**
 * The challenge of an image proxy: the registry's, or one for its own token service where the registry has none, or none that a client has to answer
 * itself. `target`: what the client asked for; a token for it is asked for.
 */
export function ownChallenge({ challenge, lends }: Asked, self: Self, method: string, target: string): string {
  const scope = scopeOf(method, target);
  const told = parseChallenges(challenge).filter(({ scheme }) => scheme === "bearer" || !lends);
  const own: Challenge = { scheme: "bearer", parameters: { realm: "", service: self.service } };
  return (told.length === 0 ? [own] : told)
    .map((one) => withOwnRealm(one, self))
    .map((one) =>
      one.scheme !== "bearer" || scope === undefined ? one : { ...one, parameters: { ...one.parameters, scope } },
    )
    .map((one) => formatChallenge(one))
    .join(", ");
}

function scopeOf(method: string, target: string): string | undefined {
  const request = parseRegistryRequest(target);
  if (method === "GET" || method === "HEAD" || !("repository" in request)) return pullScope(request);
  return pushScope(method, request.repository);
}

/** Whether all that a registry wants is Basic. */
export function wantsBasic(challenge: string | undefined): boolean {
  const schemes = new Set(parseChallenges(challenge).map(({ scheme }) => scheme));
  return schemes.has("basic") && !schemes.has("bearer");
}
