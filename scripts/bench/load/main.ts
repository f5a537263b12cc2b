/** The process of the load: a job comes in as a message, its answer goes out as one. */
import { idle } from "./idle.ts";
import { pullImage } from "./image.ts";
import type { Answer, Job, JobResult } from "./job.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";

process.on("message", (message) => {
  void answer(message as Job).then(send);
});

function send(reply: Answer): void {
  process.send?.(reply);
}

async function answer(job: Job): Promise<Answer> {
  try {
    return { result: await work(job) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Rejects at the first answer that is not the expected one. */
function work(job: Job): Promise<JobResult> {
  switch (job.kind) {
    case "pull":
      return pull(job, (mark) => send({ mark }));
    case "push":
      return push(job);
    case "idle":
      return idle(job);
    case "image":
      return pullImage(job);
  }
}
