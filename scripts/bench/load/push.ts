import { closeSync, openSync, readSync } from "node:fs";
import { Clock } from "./clock.ts";
import { Connection } from "./connection.ts";
import type { Body, JobResult, PushJob } from "./job.ts";

const pieceSize = 1024 * 1024;

export async function push(job: PushJob): Promise<JobResult> {
  const clock = new Clock();
  let next = 0;
  let bytes = 0;
  let tls = "";
  const client = async (): Promise<void> => {
    const connection = await Connection.open(job.target);
    tls ||= connection.describe();
    while (next < job.requests) {
      const body = job.bodies[next++ % job.bodies.length];
      if (!body) throw new Error("Nothing to push.");
      const start = performance.now();
      await upload(connection, job.repository, body);
      clock.count(start);
      bytes += body.bytes;
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: job.clients }, client));
  return clock.stop(bytes, tls);
}

/** OCI distribution 1.1, "POST then PUT". Throws where the registry takes it otherwise than with a 202 and a 201. */
async function upload(connection: Connection, repository: string, body: Body): Promise<void> {
  const path = `/v2/${repository}/blobs/uploads/`;
  const begun = await connection.exchange({ method: "POST", path, length: 0 });
  if (begun?.status !== 202 || begun.location === undefined)
    throw new Error(`POST ${path} was answered ${begun?.status}.`);
  const location = new URL(begun.location, "https://registry.invalid");
  location.searchParams.set("digest", `sha256:${body.sha256}`);
  const target = location.pathname + location.search;
  const done = connection.exchange({ method: "PUT", path: target, length: body.bytes });
  await send(connection, body);
  const reply = await done;
  if (reply?.status !== 201) throw new Error(`PUT ${location.pathname} was answered ${reply?.status}.`);
}

/** Two buffers take turns: one is read into while the other is on its way. */
async function send(connection: Connection, body: Body): Promise<void> {
  const file = openSync(body.file, "r");
  const buffers = [Buffer.allocUnsafe(pieceSize), Buffer.allocUnsafe(pieceSize)] as const;
  let sent = Promise.resolve();
  try {
    for (let position = 0, turn = 0; position < body.bytes; turn = 1 - turn) {
      const buffer = turn === 0 ? buffers[0] : buffers[1];
      const length = readSync(file, buffer, 0, pieceSize, position);
      if (length === 0) throw new Error(`${body.file} is shorter than ${body.bytes} bytes.`);
      await sent;
      sent = connection.write(buffer.subarray(0, length));
      position += length;
    }
    await sent;
  } finally {
    closeSync(file);
  }
}
