import type { Clock } from "../core/clock.ts";
import { EntrepotError, type ErrorFacts, asEntrepotError, errorFacts, errorOf } from "../core/errors.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";
import type { IssuedToken, TokenRequest } from "./exchange.ts";

export interface TokenCacheOptions {
  /** Undefined: the service refuses. */
  readonly exchange: (request: TokenRequest, signal: AbortSignal) => Promise<IssuedToken | undefined>;
  readonly clock: Clock;
  readonly maxEntries: number;
  /** Milliseconds a refusal or a failure is remembered for. */
  readonly refusedMs: number;
  /** Milliseconds an exchange may take in all. */
  readonly timeoutMs: number;
  /** Told of a renewal that failed while the old token is still good. */
  readonly onRenewalFailed: (request: TokenRequest, error: unknown) => void;
  /** Begins the names of its maps. */
  readonly name: string;
  /** Maps of this process alone unless given. */
  readonly share?: Share | undefined;
}

export interface TokenCache {
  /**
   * A token that is good now: from the cache, else by the one exchange that all who ask meanwhile share; undefined where the service refuses.
   * Past 85 % of its life it is renewed behind the scenes. Rejects as `exchange` does, and with CANCELLED.
   */
  obtain(request: TokenRequest, signal: AbortSignal): Promise<string | undefined>;
  /**
   * Forgets a token that a registry did not take. False, and it stays, where it was issued only moments ago: another would fare no better.
   */
  reject(request: TokenRequest, token: string): boolean;
}

interface Kept {
  readonly token: string;
  readonly obtained: number;
  readonly renewAt: number;
  readonly expires: number;
}

interface Failure {
  readonly until: number;
  /** Undefined: refused. */
  readonly error: ErrorFacts | undefined;
}

export function createTokenCache(options: TokenCacheOptions): TokenCache {
  const { clock, refusedMs, share = ownMaps } = options;
  const kept = share<Kept>(`${options.name}-tokens`, options.maxEntries);
  // Of refused exchanges, and of failed ones with what they failed with: neither is to be hammered.
  const failures = share<Failure>(`${options.name}-failures`, options.maxEntries);
  const flights = new Map<string, Promise<Kept | undefined>>();

  const recentFailure = (key: string): Failure | undefined => {
    const failure = failures.get(key);
    return failure !== undefined && failure.until > clock.now() ? failure : undefined;
  };

  const start = (key: string, request: TokenRequest): Promise<Kept | undefined> => {
    const running = flights.get(key);
    if (running) return running;
    // Nobody's own signal: who gives up does not end it for the others.
    const limit = AbortSignal.timeout(options.timeoutMs);
    const flight = options
      .exchange(request, limit)
      .catch((thrown: unknown) => {
        const error = limit.aborted ? tooSlow(request) : asEntrepotError(thrown);
        failures.set(key, { until: clock.now() + refusedMs, error: errorFacts(error) });
        throw error;
      })
      .then(async (issued) => {
        if (issued === undefined) {
          failures.set(key, { until: clock.now() + refusedMs, error: undefined });
          return undefined;
        }
        const token = keep(issued, clock.now());
        kept.set(key, token);
        // The requester's next request, with any process of the instance, is to find it.
        await kept.settled();
        return token;
      })
      .finally(() => flights.delete(key));
    flights.set(key, flight);
    return flight;
  };

  const renew = (key: string, request: TokenRequest) => {
    if (flights.has(key) || recentFailure(key)) return;
    start(key, request).then(
      (token) => {
        if (token === undefined) options.onRenewalFailed(request, undefined);
      },
      (error: unknown) => options.onRenewalFailed(request, error),
    );
  };

  return {
    async obtain(request, signal) {
      const key = keyOf(request);
      const now = clock.now();
      const current = kept.get(key);
      if (current !== undefined && current.expires > now) {
        if (current.renewAt <= now) renew(key, request);
        return current.token;
      }
      const failure = recentFailure(key);
      if (failure?.error !== undefined) throw errorOf(failure.error);
      if (failure) return undefined;
      return (await orAborted(start(key, request), signal))?.token;
    },
    reject(request, token) {
      const key = keyOf(request);
      const current = kept.peek(key);
      if (current === undefined || current.token !== token) return true;
      if (clock.now() - current.obtained < refusedMs) return false;
      kept.delete(key);
      return true;
    },
  };
}

function keep(issued: IssuedToken, now: number): Kept {
  // A service whose clock is wrong would issue nothing but expired tokens: issued_at counts where it makes sense.
  const age = issued.issued === undefined ? 0 : now - issued.issued;
  const from = age > 0 && age < issued.lifetime ? now - age : now;
  const expires = from + issued.lifetime;
  return { token: issued.token, obtained: now, expires, renewAt: now + 0.85 * (expires - now) };
}

function tooSlow(request: TokenRequest): EntrepotError {
  return new EntrepotError(
    "UPSTREAM_TIMEOUT",
    `The token service ${request.realm.origin.authority} did not answer in time.`,
  );
}

function keyOf(request: TokenRequest): string {
  return JSON.stringify([request.realm.href, request.service, request.scope, request.credential?.id]);
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () =>
      reject(new EntrepotError("CANCELLED", "The exchange was cancelled.", { cause: signal.reason }));
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}
