import { EntrepotError } from "../core/errors.ts";

/** What a promise comes to; rejects with CANCELLED as soon as the signal is aborted: who has gone waits for nothing. */
export async function whileHere<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const gone = Promise.withResolvers<never>();
  const leave = (): void => gone.reject(new EntrepotError("CANCELLED", "The client went away."));
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  try {
    return await Promise.race([promise, gone.promise]);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
