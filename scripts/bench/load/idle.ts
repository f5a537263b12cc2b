import { Clock } from "./clock.ts";
import { Connection } from "./connection.ts";
import type { IdleJob, JobResult } from "./job.ts";
import { check } from "./pull.ts";

let held: Connection[] = [];

/** What is open stays open until the next call, or the end of the process; one that the other side closes makes that call fail. */
export async function idle(job: IdleJob): Promise<JobResult> {
  const lost = held.filter((connection) => connection.closed).length;
  for (const connection of held) connection.close();
  const before = held.length;
  held = [];
  if (lost > 0) throw new Error(`${lost} of ${before} idle connections were closed by the other side.`);
  const clock = new Clock();
  let begun = 0;
  const open = async (): Promise<void> => {
    while (begun++ < job.connections) {
      const start = performance.now();
      const connection = await Connection.open(job.target);
      held.push(connection);
      const reply = await connection.get(job.item, false);
      if (!reply) throw new Error("A connection was closed.");
      check(reply, job.item, false);
      clock.count(start);
    }
  };
  await Promise.all(Array.from({ length: job.atOnce }, open));
  return clock.stop(job.connections * job.item.bytes, held[0]?.describe() ?? "");
}
