/** The process of the load: a job comes in as a message, its answer goes out as one. */
import type { Answer, Job } from "./job.ts";
import { work } from "./work.ts";

process.on("message", (message) => {
  void answer(message as Job).then((reply) => process.send?.(reply));
});

async function answer(job: Job): Promise<Answer> {
  try {
    return { result: await work(job) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
