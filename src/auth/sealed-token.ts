import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../core/clock.ts";

/**
 * Tokens of other services that were handed out by this one: sealed, so that they are known again after a restart and by every worker, without a list
 * of them. A token that was got elsewhere has no seal, and cannot be given one.
 */
export interface TokenSeal {
  /** `until`: milliseconds since the epoch. What comes out fits where the token did (RFC 6750 §2.1, b64token). */
  seal(token: string, until: number): string;
  /** Whether it is sealed, by whomever. */
  isSealed(token: string): boolean;
  /** The token inside; undefined where the seal is not ours or its time is over. */
  open(sealed: string): string | undefined;
}

const sealForm = /^sealed~([0-9a-z]{1,11})~([\w-]{43})~(.+)$/s;

export function createTokenSeal(key: Buffer, clock: Clock): TokenSeal {
  const mark = (until: string, token: string): Buffer => createHmac("sha256", key).update(`${until}~${token}`).digest();
  return {
    seal(token, until) {
      const end = Math.floor(until).toString(36);
      return `sealed~${end}~${mark(end, token).toString("base64url")}~${token}`;
    },
    isSealed: (token) => sealForm.test(token),
    open(sealed) {
      const [, end = "", mac = "", token = ""] = sealForm.exec(sealed) ?? [];
      if (token === "" || !timingSafeEqual(Buffer.from(mac, "base64url"), mark(end, token))) return undefined;
      return clock.now() < Number.parseInt(end, 36) ? token : undefined;
    },
  };
}
