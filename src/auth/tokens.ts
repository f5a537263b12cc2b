import { type Challenge, parseChallenges } from "../core/challenge.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Origin } from "../core/origin.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";
import type { Log } from "../observe/log.ts";
import type { Credential, Credentials } from "./credentials.ts";
import { type Realm, type SendBare, type TokenRequest, exchange, realmOf } from "./exchange.ts";
import { createTokenCache } from "./token-cache.ts";

export interface AuthorizerOptions {
  readonly credentials: Credentials;
  readonly send: SendBare;
  /** Whether a registry is spoken to in plain HTTP, so that its token service may be too. */
  readonly isPlain: (origin: Origin) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Tokens, and origins and scopes whose challenges are remembered. */
  readonly maxEntries?: number;
  /** How long a refused or failed exchange is not tried again, milliseconds. */
  readonly refusedMs?: number;
  /** How long an exchange may take in all, milliseconds. */
  readonly timeoutMs?: number;
  /** Tokens are kept in maps of this process alone unless given. */
  readonly share?: Share;
}

/** A 401 to be answered. */
export interface Unauthorized {
  readonly origin: Origin;
  /** WWW-Authenticate. */
  readonly challenge: string;
  readonly scope: string | undefined;
  /** Left the requester's origin: an anonymous token will do, and only what is configured for this very host is used. */
  readonly anonymous: boolean;
  /** The Authorization that was not enough. */
  readonly refused: string | undefined;
  readonly signal: AbortSignal;
}

/** A request to which its requester sent no Authorization. */
export interface Unauthenticated {
  readonly origin: Origin;
  readonly scope: string | undefined;
  /** Whether an anonymous token will do where we hold no credential. */
  readonly anonymously: boolean;
  readonly signal: AbortSignal;
}

interface Answered {
  readonly authorization: string;
  readonly injected: boolean;
}

/** Implements upstream's Authorizer, which says what the methods promise. */
export interface TokenAuthorizer {
  beforehand(request: Unauthenticated): Promise<Answered | undefined>;
  answer(unauthorized: Unauthorized): Promise<Answered | undefined>;
}

type Service = Pick<TokenRequest, "realm" | "service">;

/** Answers for the configured credentials: Basic, and tokens in exchange for them. */
export function createAuthorizer(options: AuthorizerOptions): TokenAuthorizer {
  const { credentials, log, share = ownMaps } = options;
  const max = options.maxEntries ?? 1000;
  // What an origin's last challenge said, so that the next request gets its token without a 401 first.
  const services = share<Service>("challenges", max);
  const scopes = share<string>("challenge-scopes", max);
  const cache = createTokenCache({
    exchange: (request, signal) => exchange(options.send, request, signal),
    clock: options.clock,
    name: "credential",
    share,
    maxEntries: max,
    refusedMs: options.refusedMs ?? 5000,
    timeoutMs: options.timeoutMs ?? 60_000,
    onRenewalFailed: (request, error) => {
      log.warn(
        { realm: request.realm.origin.authority, problem: problemOf(error) },
        "A token could not be renewed; the old one is still good.",
      );
    },
  });

  /** The token service's own credential before the registry's: a password goes to whom it was configured for. */
  const credentialFor = (own: Credential, realm: Realm, { as }: Origin): Credential =>
    (as === undefined ? credentials(realm.origin) : undefined) ?? own;

  return {
    async beforehand({ origin, scope, anonymously, signal }) {
      const own = credentials(origin);
      if (own === undefined && !anonymously) return undefined;
      // The registry's own answer to the password, or to nothing, decides where there is no token.
      const otherwise = own && { authorization: own.basic, injected: true };
      const service = services.get(origin.name);
      if (service === undefined) return otherwise;
      const asked = scopes.get(scopeKey(origin, scope)) ?? scope;
      // A token for no scope opens nothing.
      if (own === undefined && asked === undefined) return undefined;
      const request = { ...service, scope: asked, credential: own && credentialFor(own, service.realm, origin) };
      try {
        const token = await cache.obtain(request, signal);
        return token === undefined ? otherwise : { authorization: `Bearer ${token}`, injected: own !== undefined };
      } catch (error) {
        if (signal.aborted) throw error;
        return otherwise;
      }
    },

    async answer({ origin, challenge, scope, anonymous, refused, signal }) {
      const own = credentials(origin);
      const challenges = parseChallenges(challenge);
      const bearer = challenges.find((entry) => entry.scheme === "bearer");
      if (bearer === undefined) {
        services.delete(origin.name);
        const wanted = challenges.some((entry) => entry.scheme === "basic");
        return wanted && own !== undefined && own.basic !== refused
          ? { authorization: own.basic, injected: true }
          : undefined;
      }
      if (own === undefined && !anonymous) return undefined;
      const service = serviceOf(bearer, origin, options);
      if (service === undefined) return undefined;
      // A registry that was redirected to names any realm it likes: it gets no token that the realm's credential stands behind.
      const credential = own && !anonymous ? credentialFor(own, service.realm, origin) : own;
      const asked = bearer.parameters["scope"] ?? scope;
      const request: TokenRequest = { ...service, scope: asked, credential };
      if (own === undefined || !anonymous) {
        services.set(origin.name, service);
        if (asked !== undefined && asked !== scope) scopes.set(scopeKey(origin, scope), asked);
      }
      if (refused?.startsWith("Bearer ") === true && !cache.reject(request, refused.slice(7))) return undefined;
      const token = await cache.obtain(request, signal);
      return token === undefined ? undefined : { authorization: `Bearer ${token}`, injected: credential !== undefined };
    },
  };
}

/** The token service of a challenge; undefined where it cannot be trusted with a password. */
function serviceOf(challenge: Challenge, origin: Origin, options: AuthorizerOptions): Service | undefined {
  const { realm: named, service } = challenge.parameters;
  const realm = realmOf(named);
  if (realm === undefined || (realm.origin.scheme === "http" && !options.isPlain(origin))) {
    options.log.warn(
      { origin: origin.name },
      "The registry's challenge names no https token service; it is not answered.",
    );
    return undefined;
  }
  return { realm, service };
}

function scopeKey(origin: Origin, scope: string | undefined): string {
  return `${origin.name} ${scope ?? ""}`;
}

function problemOf(error: unknown): string {
  if (error === undefined) return "refused";
  return error instanceof EntrepotError ? error.message : "failed";
}
