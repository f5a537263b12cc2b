import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export interface UserAndPassword {
  readonly user: string;
  readonly password: string;
}

/** Users of a front. */
export interface Accounts {
  /**
   * The user of a Basic Authorization that is right; undefined for any other. It takes as long for a user that there is as for one that there is
   * not. Rejects with TOOMANYREQUESTS where more is asked than can be checked.
   */
  check(authorization: string | undefined): Promise<string | undefined>;
}

/** What a Basic Authorization holds (RFC 7617 §2); undefined where it is none. */
export function parseBasic(authorization: string | undefined): UserAndPassword | undefined {
  const encoded = /^basic +([A-Za-z0-9+/_-]+={0,2})\s*$/i.exec(authorization ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon === -1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Accounts whose passwords are known: all of them are compared with, whoever asks. */
export function createPlainAccounts(accounts: readonly UserAndPassword[]): Accounts {
  const hash = createPairHash();
  const known = accounts.map((account) => ({ user: account.user, hash: hash(account) }));
  return {
    check(authorization) {
      const sent = parseBasic(authorization);
      const given = hash(sent ?? { user: "", password: "" });
      let user: string | undefined;
      for (const one of known) if (timingSafeEqual(one.hash, given)) user = one.user;
      return Promise.resolve(sent === undefined ? undefined : user);
    },
  };
}

/** A pair as a key from which nobody gets back to it. */
export function createPairHash(): (pair: UserAndPassword) => Buffer {
  const key = randomBytes(32);
  return ({ user, password }) =>
    createHmac("sha256", key)
      .update(JSON.stringify([user, password]))
      .digest();
}
