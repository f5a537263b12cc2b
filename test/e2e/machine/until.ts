import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks `probe` again and again until it answers with something, and returns that.
 * A probe that throws has no answer yet; its last error is the cause of the timeout's.
 * @param timeout milliseconds before it gives up and throws an error that names `what`
 */
export async function until<T>(
  what: string,
  timeout: number,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeout} ms`, { cause: last });
    await delay(25);
  }
}
