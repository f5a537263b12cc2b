import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

/**
 * Tokens of our own, handed out while a token service cannot be reached. They say nothing of who has them and open nothing but what is
 * public: who shows one counts as anonymous, and it is never sent to an upstream.
 */
export interface OwnTokens {
  issue(): string;
  /** Whether an Authorization is one of ours; takes as long whatever is sent after the prefix. */
  isOwn(authorization: string): boolean;
}

const form = /^bearer +(entrepot\.[\w-]{22})\.([\w-]{43})$/i;

/** `key`: of the instance, so that tokens survive a restart and are known to all its workers. */
export function createOwnTokens(key: Buffer): OwnTokens {
  const sign = (text: string): Buffer => createHmac("sha256", key).update(text).digest();
  return {
    issue() {
      const text = `entrepot.${randomBytes(16).toString("base64url")}`;
      return `${text}.${sign(text).toString("base64url")}`;
    },
    isOwn(authorization) {
      const [, text, mac] = form.exec(authorization) ?? [];
      if (text === undefined || mac === undefined) return false;
      // The form leaves room for a mac of 32 bytes and no other.
      return timingSafeEqual(Buffer.from(mac, "base64url"), sign(text));
    },
  };
}

/**
 * A key for one purpose out of a secret that has others too (RFC 5869). The CA's private key in PEM is such a secret: it is there at every start, and
 * lives as long as what clients trust.
 */
export function deriveKey(secret: string | Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `entrepot: ${purpose}`, 32));
}
