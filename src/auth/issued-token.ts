import { randomUUID } from "node:crypto";
import { decodeJwt, errors, jwtVerify, SignJWT } from "jose";
import type { Clock } from "../core/clock.ts";

/** What a token is for: an entry of `access` (distribution token specification, "Token Authentication Specification"). */
export interface TokenAccess {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface TokenIssuerOptions {
  /** Signs. At least one byte; 32 random ones cannot be guessed. */
  readonly secret: Buffer;
  /** `iss` and `aud`: who issues a token is also who accepts it. */
  readonly issuer: string;
  readonly clock: Clock;
}

/** Tokens of a service of our own: JWTs that it alone can make, and that say who has them. */
export interface TokenIssuer {
  /** Good for `issuedSeconds` from now. */
  issue(subject: string, access: readonly TokenAccess[]): Promise<string>;
  /** Whether a token says that it is one of these, which anybody can write. */
  claims(token: string): boolean;
  /** Whom it was issued to; undefined where it is forged, of another key, algorithm or audience, expired, or not good yet. */
  subjectOf(token: string): Promise<string | undefined>;
}

export const issuedSeconds = 24 * 3600;
/** Clocks of several instances that share a secret differ. Seconds. */
const clockTolerance = 5;

export function createTokenIssuer({ secret, issuer, clock }: TokenIssuerOptions): TokenIssuer {
  return {
    issue(subject, access) {
      const now = Math.floor(clock.now() / 1000);
      return new SignJWT({ access })
        .setProtectedHeader({ alg: "HS256", typ: "JWT" })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience(issuer)
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(now + issuedSeconds)
        .setJti(randomUUID())
        .sign(secret);
    },
    claims(token) {
      try {
        return decodeJwt(token).iss === issuer;
      } catch (error) {
        if (error instanceof errors.JOSEError || error instanceof TypeError) return false;
        throw error;
      }
    },
    async subjectOf(token) {
      try {
        const { payload } = await jwtVerify(token, secret, {
          algorithms: ["HS256"],
          issuer,
          audience: issuer,
          requiredClaims: ["sub", "exp", "nbf"],
          clockTolerance,
          currentDate: new Date(clock.now()),
        });
        return payload.sub;
      } catch (error) {
        if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
        throw error;
      }
    },
  };
}

/** At most so many of them are repeated in a token, which a client sends with every request. */
const mostAccess = 100;

/** What scopes ask for (distribution token specification, "Resource Scope Grammar"); those that are none are left out. */
export function accessOf(scopes: readonly string[]): TokenAccess[] {
  const wanted = new Set(scopes.flatMap((scope) => scope.split(" ")));
  return [...wanted]
    .flatMap((scope) => {
      // A name may hold a host with a port, so that it ends at the last colon.
      const [, type, name, actions = ""] = /^([a-z0-9]+(?:\([^)]*\))?):(.+):([^:]*)$/i.exec(scope) ?? [];
      if (type === undefined || name === undefined) return [];
      return [{ type, name, actions: actions.split(",").filter((action) => action !== "") }];
    })
    .slice(0, mostAccess);
}
