import { Worker } from "node:worker_threads";

/** A thread with little of its own. `program`: its file beside this one, without the ending, which is as this one's: compiled or not. */
export function startThread(program: string, data?: unknown): Worker {
  return new Worker(new URL(import.meta.url.replace(/thread(?=\.\w+$)/, program)), {
    workerData: data,
    execArgv: [],
    env: {},
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 64 },
  });
}
