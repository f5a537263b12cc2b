import type { Room, Spool } from "./types.ts";

/** Freed for a write that failed, at most: the next one asks again. Bytes. */
const step = 256 * 1024 * 1024;

/**
 * Appends, and where the disk does not take it, once more when there is more room. `rest`: bytes still to come, these included, where
 * that is known. Rejects with what the spool rejected with.
 */
export async function appendWithRoom(
  spool: Spool | undefined,
  pieces: readonly Buffer[],
  rest: number | undefined,
  room: Room | undefined,
  signal: AbortSignal,
): Promise<void> {
  try {
    await spool?.append(pieces);
  } catch (error) {
    const freed = signal.aborted ? 0 : ((await room?.free(Math.min(step, rest ?? step))) ?? 0);
    if (freed === 0 || signal.aborted) throw error;
    await spool?.append(pieces);
  }
}
