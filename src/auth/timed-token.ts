import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { deriveKey } from "./own-token.ts";

/** valid: ours, and still good. invalid: ours by its form, but expired or not signed by us. foreign: nothing that we would have issued. */
export type Verdict = "valid" | "invalid" | "foreign";

/** Tokens for nobody in particular, good for a while: a front hands them to clients that will not ask without one. */
export interface TimedTokens {
  issue(): string;
  /** What one is good for. */
  readonly seconds: number;
  /** Costs the same whatever it is given. */
  verify(token: string): Verdict;
}

export interface TimedTokenOptions {
  /** What all who accept each other's tokens have in common. */
  readonly secret: string | Buffer;
  /** Milliseconds. */
  readonly lifetime: number;
  readonly clock: Clock;
}

/** By which tokens of this kind are known; no base64 of a user and password holds a dot. */
const mark = "entrepot-front.";
/** The end of its life in seconds, 12 random bytes, the HMAC. */
const form = /^entrepot-front\.(\d{12})\.([\w-]{16})\.([\w-]{43})$/;
const standIn = { text: `${mark}000000000000.${"A".repeat(16)}`, mac: "A".repeat(43) };

export function createTimedTokens({ secret, lifetime, clock }: TimedTokenOptions): TimedTokens {
  // The same secret elsewhere signs nothing that counts here.
  const key = deriveKey(secret, "tokens of a front");
  const sign = (text: string): Buffer => createHmac("sha256", key).update(text).digest();
  return {
    seconds: Math.floor(lifetime / 1000),
    issue() {
      const ends = String(Math.floor((clock.now() + lifetime) / 1000)).padStart(12, "0");
      const text = `${mark}${ends}.${randomBytes(12).toString("base64url")}`;
      return `${text}.${sign(text).toString("base64url")}`;
    },
    verify(token) {
      const found = token.length > 200 ? null : form.exec(token);
      const [, ends = "0", nonce = "", mac = standIn.mac] = found ?? [];
      const text = found === null ? standIn.text : `${mark}${ends}.${nonce}`;
      const signed = timingSafeEqual(Buffer.from(mac, "base64url"), sign(text));
      if (!token.startsWith(mark)) return "foreign";
      return found !== null && signed && clock.now() < Number(ends) * 1000 ? "valid" : "invalid";
    },
  };
}
