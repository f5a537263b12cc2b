import { timeout } from "./failures.ts";

/** One-off timers, as a part that tests replace. */
export interface Alarm {
  /** Calls `action` in so many milliseconds, unless the function that it gives back is called before. */
  after(milliseconds: number, action: () => void): () => void;
}

export const systemAlarm: Alarm = {
  after(milliseconds, action) {
    const timer = setTimeout(action, milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * Runs `work` under a signal that is aborted with UPSTREAM_TIMEOUT where it takes longer than `milliseconds` (undefined: no limit). Once it
 * has resolved, only the caller's own signal ends what it gave.
 */
export async function withPatience<T>(
  { host, signal, milliseconds }: { host: string; signal: AbortSignal; milliseconds: number | undefined },
  alarm: Alarm,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (milliseconds === undefined) return await work(signal);
  const limit = new AbortController();
  const cancel = alarm.after(milliseconds, () => {
    limit.abort(timeout(`${host} did not answer within ${milliseconds} ms, which is all that is waited for now.`));
  });
  try {
    return await work(AbortSignal.any([signal, limit.signal]));
  } finally {
    cancel();
  }
}
