import { createHash } from "node:crypto";
import { Coalescer } from "../cache/coalesce.ts";
import type { Claim, Settled } from "./claims.ts";

/** The way to the primary's table of work. */
export interface ClaimPort {
  claim(key: string): Promise<Claim>;
  settle(key: string, settled: Settled): void;
  abandon(key: string): void;
}

/** One piece of work at a time for a key in the whole instance; all who ask meanwhile share its outcome. */
export function createSharedCoalesce(port: ClaimPort) {
  const local = new Coalescer<unknown>();
  return async <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    (await local.run(key, (whole) => once(port, hash(key), whole, work), signal)) as T;
}

async function once<T>(
  port: ClaimPort,
  key: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<unknown> {
  const claim = await port.claim(key);
  if (!claim.lead) {
    if ("error" in claim.settled) throw claim.settled.error;
    return claim.settled.value;
  }
  try {
    if (signal.aborted) throw signal.reason;
    const value = await work(signal);
    port.settle(key, { value });
    return value;
  } catch (error) {
    // That nobody is left here says nothing to those who wait elsewhere.
    if (signal.aborted) port.abandon(key);
    else port.settle(key, { error });
    throw error;
  }
}

/** A key may hold a credential. */
function hash(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}
