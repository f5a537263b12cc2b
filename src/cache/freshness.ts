import type { CacheRecord } from "./types.ts";

/** absent: nothing is known. fresh: may be served without asking. expired: the upstream is asked first. */
export type TagVerdict = "absent" | "fresh" | "expired";

export interface TagQuestion {
  readonly record: CacheRecord | undefined;
  /** How long a confirmation holds, milliseconds; 0: the upstream is asked every time. */
  readonly ttl: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Whether what a tag is known to point to may be served (RFC 9111 §4.2, with the upstream's last confirmation as the date). */
export function judgeTag({ record, ttl, now }: TagQuestion): TagVerdict {
  if (record === undefined) return "absent";
  const age = now - record.checked;
  // A confirmation from the future is one of a clock that was set back since: its age is not known.
  return age >= 0 && age < ttl ? "fresh" : "expired";
}

/** Whether an expired tag may still be served while the upstream cannot be asked (RFC 5861 §4). `staleIfError` in milliseconds past `ttl`. */
export function mayServeStale({ record, ttl, now }: TagQuestion, staleIfError: number): boolean {
  return record !== undefined && now - record.checked < ttl + staleIfError;
}
