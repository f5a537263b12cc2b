import { once } from "node:events";
import type { Digest } from "../core/digest.ts";
import { startThread } from "./thread.ts";
import type { Stored } from "./types.ts";
import { walkContent } from "./walk.ts";
import type { WalkedPart } from "./walk-worker.ts";

/**
 * All content of a cache directory, in the order of its digests, walked by a thread of its own. Handing each file to the thread pool and its answer back
 * costs several times the look itself: with hundreds of thousands of files, seconds. Without a thread it does that.
 */
export async function* walkInThread(
  directory: string,
  signal: AbortSignal,
  failed: (error: unknown) => void,
): AsyncGenerator<Stored> {
  let reached: Digest | undefined;
  try {
    for await (const { found, failures } of parts(directory, signal)) {
      for (const { code, message } of failures) failed(Object.assign(new Error(message), { code }));
      for (const stored of found) {
        if (signal.aborted) return;
        reached = stored.digest;
        yield stored;
      }
    }
    return;
  } catch {
    if (signal.aborted) return;
  }
  yield* walkContent(directory, signal, failed, reached);
}

/** Rejects where there can be no thread, or it ended early. */
async function* parts(directory: string, signal: AbortSignal): AsyncGenerator<WalkedPart> {
  if (signal.aborted) return;
  const worker = startThread("walk-worker", directory);
  const ended = new AbortController();
  worker.once("exit", () => ended.abort());
  try {
    for (;;) {
      worker.postMessage(undefined);
      const [part] = (await once(worker, "message", { signal: AbortSignal.any([signal, ended.signal]) })) as [
        WalkedPart,
      ];
      yield part;
      if (part.last) return;
    }
  } finally {
    worker.on("error", () => undefined);
    await worker.terminate();
  }
}
