/** How a fill that has no disk goes on. Positions and sizes are bytes. */
export interface Pace {
  /** What lies before it may leave memory. */
  readonly keep: number;
  readonly paused: boolean;
}

/**
 * Without the disk, memory is all there is: the source waits for the slowest follower. `needs`: what each will ask for next; those that
 * are still on the spool need memory from its end on. Paused at `limit` bytes, resumed at half of it, so that a follower which holds up
 * the others has to take a good piece to be let be.
 */
export function paceOf(
  state: { readonly spooled: number; readonly received: number; readonly paused: boolean },
  needs: Iterable<number>,
  limit: number,
): Pace {
  let keep = state.received;
  for (const need of needs) keep = Math.min(keep, Math.max(need, state.spooled));
  const held = state.received - keep;
  return { keep, paused: held >= limit || (state.paused && held > limit / 2) };
}

/** The position before which a follower is too slow for the others; undefined where nobody waits for it. */
export function tooSlowBefore(received: number, needs: Iterable<number>, limit: number): number | undefined {
  const line = received - limit / 2;
  for (const need of needs) if (need >= line) return line;
  return undefined;
}
