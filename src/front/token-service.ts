import { parseChallenges } from "../core/challenge.ts";
import { type Origin, originOfUrl } from "../core/origin.ts";

export interface TokenService {
  readonly origin: Origin;
  /** With the query of its realm, if that has one. */
  readonly path: string;
}

/**
 * The token service of a registry: the one that its challenge names, at the host of AUTH_SERVICE (`given`) where that is set. Undefined where it has none, or one
 * that a password must not be sent to. `isPlain`: whether the registry is spoken to in plain HTTP, so that its service may be too.
 */
export function tokenServiceOf(
  challenge: string | undefined,
  given: URL | undefined,
  isPlain: boolean,
): TokenService | undefined {
  const { realm } = parseChallenges(challenge).find(({ scheme }) => scheme === "bearer")?.parameters ?? {};
  const named = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined;
  const url = given ?? named;
  const origin = url && originOfUrl(url);
  if (url === undefined || origin === undefined) return undefined;
  if (given === undefined) {
    if (origin.scheme === "http" && !isPlain) return undefined;
    return { origin, path: url.pathname + url.search };
  }
  if (given.pathname !== "/") return { origin, path: given.pathname };
  return { origin, path: named === undefined ? "/token" : named.pathname + named.search };
}
