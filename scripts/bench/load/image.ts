import { Clock } from "./clock.ts";
import { Connection } from "./connection.ts";
import type { ImageJob, Item, JobResult } from "./job.ts";
import { check } from "./pull.ts";

/** Pulls an image as dockerd does: `/v2/`, HEAD of the tag, manifest and config, then layers on some connections. */
export async function pullImage(job: ImageJob): Promise<JobResult> {
  const clock = new Clock();
  const { image } = job;
  const items = [image.manifest, image.config, ...image.layers];
  let tls = "";
  for (let pull = 0; pull < job.pulls; pull++) {
    const start = performance.now();
    const connection = await Connection.open(job.target);
    tls ||= connection.describe();
    await ask(connection, "GET", "/v2/");
    await ask(connection, "HEAD", image.tag);
    await get(connection, image.manifest, job.verify);
    await get(connection, image.config, job.verify);
    const layers = [...image.layers];
    const download = async (own?: Connection): Promise<void> => {
      const used = own ?? (await Connection.open(job.target));
      for (let layer = layers.shift(); layer; layer = layers.shift()) await get(used, layer, job.verify);
      used.close();
    };
    await Promise.all([download(connection), ...Array.from({ length: job.atOnce - 1 }, () => download())]);
    clock.count(start);
  }
  return clock.stop(job.pulls * items.reduce((total, item) => total + item.bytes, 0), tls);
}

async function ask(connection: Connection, method: "GET" | "HEAD", path: string): Promise<void> {
  const reply = await connection.exchange({ method, path });
  if (reply?.status !== 200) throw new Error(`${method} ${path} was answered ${reply?.status}.`);
}

async function get(connection: Connection, item: Item, verify: boolean): Promise<void> {
  const reply = await connection.get(item, verify);
  if (!reply) throw new Error("The connection was closed.");
  check(reply, item, verify);
}
