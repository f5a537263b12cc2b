import { setTimeout as delay } from "node:timers/promises";
import type { FillOptions } from "./fill-parts.ts";
import { errnoOf } from "./trouble.ts";
import type { Spool } from "./types.ts";

/** Freed for a write that failed, at most: the next one asks again. Bytes. */
const step = 256 * 1024 * 1024;

/** What was evicted comes free when the last who reads it is done: the write is tried again after these, milliseconds. */
export const roomDelays: readonly number[] = [0, 20, 100, 500];

/**
 * Appends, and where the disk does not take it, again when there is more room. `rest`: bytes still to come, these included, where
 * that is known. Rejects with what the spool rejected with.
 */
export async function appendWithRoom(
  spool: Spool | undefined,
  pieces: readonly Buffer[],
  rest: number | undefined,
  { room, roomDelays: waits }: Pick<FillOptions, "room" | "roomDelays">,
  signal: AbortSignal,
): Promise<void> {
  const failure = await tryOnce(spool, pieces);
  if (failure === undefined) return;
  const freed =
    signal.aborted || !isHelped(failure.error) ? 0 : ((await room?.free(Math.min(step, rest ?? step))) ?? 0);
  for (const wait of freed === 0 ? [] : waits) {
    if (wait > 0) await delay(wait, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    if ((await tryOnce(spool, pieces)) === undefined) return;
  }
  throw failure.error;
}

/** Whether room may be what it lacks: a disk that is read-only, or fails, is not emptied for that. */
function isHelped(error: unknown): boolean {
  const code = error instanceof Error ? errnoOf(error.cause) : undefined;
  return code === undefined || code === "ENOSPC" || code === "EDQUOT";
}

async function tryOnce(
  spool: Spool | undefined,
  pieces: readonly Buffer[],
): Promise<{ readonly error: unknown } | undefined> {
  try {
    await spool?.append(pieces);
    return undefined;
  } catch (error) {
    return { error };
  }
}
