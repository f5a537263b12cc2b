import type { Accounts } from "../auth/accounts.ts";
import type { TokenIssuer } from "../auth/issued-token.ts";
import type { TokenSeal } from "../auth/sealed-token.ts";

export interface GateParts {
  /** Undefined: everybody may use the front. Whom a token was issued to is one of them still. */
  readonly accounts: (Accounts & { has(user: string): boolean }) | undefined;
  readonly issuer: TokenIssuer;
  readonly seal: TokenSeal;
  /** Whether a pair that is listed is for the registry itself to judge: it wants Basic, and we hold no credential to show in its place. */
  readonly passesPairs: (signal: AbortSignal) => Promise<boolean>;
}

/**
 * What an Authorization is worth to an image proxy. nobody: there is none. account: it is ours, so that the registry sees nothing of it. lent: a token of the
 * registry's service that was got here in nobody's name. own: the client's own matter with the registry. refused: not let through.
 */
export type Bearer =
  | { readonly kind: "nobody" | "account" | "refused" }
  | { readonly kind: "lent" | "own"; readonly authorization: string };

/** Rejects with CANCELLED, and with TOOMANYREQUESTS as Accounts does. */
export type Gate = (authorization: string | undefined, signal: () => AbortSignal) => Promise<Bearer>;

/** Where there are accounts, only what they are proven to have, or to have been given here, gets through. */
export function createGate({ accounts, issuer, seal, passesPairs }: GateParts): Gate {
  const unknown = (authorization: string): Bearer =>
    accounts === undefined ? { kind: "own", authorization } : { kind: "refused" };
  const issued = async (token: string): Promise<Bearer> => {
    const subject = await issuer.subjectOf(token);
    if (subject === undefined) return { kind: "refused" };
    // An account that was taken off the list has no more use of its token.
    return { kind: accounts === undefined || accounts.has(subject) ? "account" : "refused" };
  };
  const opened = (sealed: string): Bearer => {
    const token = seal.open(sealed);
    return token === undefined ? { kind: "refused" } : { kind: "lent", authorization: `Bearer ${token}` };
  };

  return async (authorization, signal) => {
    if (authorization === undefined) return { kind: accounts === undefined ? "nobody" : "refused" };
    const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    if (token !== undefined) {
      if (seal.isSealed(token)) return opened(token);
      return issuer.claims(token) ? issued(token) : unknown(authorization);
    }
    if ((await accounts?.check(authorization)) === undefined) return unknown(authorization);
    return (await passesPairs(signal())) ? { kind: "own", authorization } : { kind: "account" };
  };
}
