import { readFileSync } from "node:fs";
import { quantile } from "../stats.ts";
import { Connection, type Reply } from "./connection.ts";
import type { Job, JobResult } from "./job.ts";
import { SlowClient } from "./slow.ts";

/** Does a job to its end; rejects at the first answer that is not the expected one. */
export async function work(job: Job): Promise<JobResult> {
  const roots = readFileSync(job.target.caFile);
  const latencies: number[] = [];
  const firstBytes: number[] = [];
  let left = job.requests;
  const end = performance.now() + (job.seconds ?? Number.POSITIVE_INFINITY) * 1000;
  const goesOn = (): boolean => left-- > 0 && performance.now() < end;
  let tls = "";

  const kept = async (): Promise<void> => {
    const connection = await Connection.open(job.target, roots);
    tls = connection.describe();
    for (let first = true; goesOn(); first = false) {
      const start = performance.now();
      const reply = check(await connection.get(job.path, job.sha256 !== undefined), job);
      latencies.push(performance.now() - start);
      if (first) firstBytes.push(reply.firstByte);
    }
    connection.close();
  };
  const fresh = async (): Promise<void> => {
    while (goesOn()) {
      const start = performance.now();
      const connection = await Connection.open(job.target, roots);
      check(await connection.get(job.path, job.sha256 !== undefined), job);
      latencies.push(performance.now() - start);
      if (tls === "") tls = connection.describe();
      connection.close();
    }
  };

  // The slow ones' handshakes come first: what is timed is the transfer that all share.
  const { clients, bytesPerSecond } = job.slow ?? { clients: 0, bytesPerSecond: 0 };
  const slow = await Promise.all(Array.from({ length: clients }, () => SlowClient.open(job.target, roots)));
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  for (const client of slow) client.ask(job.path, bytesPerSecond);
  await Promise.all(Array.from({ length: job.clients }, job.connections === "kept" ? kept : fresh));
  const seconds = (performance.now() - started) / 1000;
  const slowRates = slow.map((client) => client.drop());
  const { user, system } = process.cpuUsage(cpu);
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    seconds,
    bytes: latencies.length * job.bytes,
    requests: latencies.length,
    loadCpuSeconds: (user + system) / 1e6,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    lag: lag(firstBytes),
    slowest: slowRates.length === 0 ? undefined : Math.min(...slowRates),
    tls,
  };
}

function lag(firstBytes: readonly number[]): JobResult["lag"] {
  const [leader, follower, ...others] = firstBytes.toSorted((a, b) => a - b);
  if (leader === undefined || follower === undefined) return undefined;
  return { first: follower - leader, last: (others.at(-1) ?? follower) - leader };
}

function check(reply: Reply, job: Job): Reply {
  if (reply.status !== 200) throw new Error(`GET ${job.path} was answered ${reply.status}.`);
  if (reply.bytes !== job.bytes)
    throw new Error(`GET ${job.path} brought ${reply.bytes} bytes in place of ${job.bytes}.`);
  if (job.sha256 !== reply.sha256) throw new Error(`GET ${job.path} brought bytes whose sha256 is ${reply.sha256}.`);
  return reply;
}
