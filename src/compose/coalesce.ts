import { Coalescer } from "../cache/coalesce.ts";

/** One piece of work at a time for a key; all who ask meanwhile share its outcome. */
export type Coalesce = <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/** One table for all kinds of work: a key names its kind, so that what is shared under it is of one type. */
export function createCoalesce(): Coalesce {
  const coalescer = new Coalescer<unknown>();
  return async <T>(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) =>
    (await coalescer.run(key, work, signal)) as T;
}
