/**
 * Fills a cache directory until it is killed: several flights at a time, of all sizes, some cut and resumed, each with its record; what is
 * kept for certain is told on standard output, a line for each. `crash-driver.ts <directory> <seed>`
 */
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { openDiskStore } from "../../../src/cache/disk.ts";
import { createFlights } from "../../../src/cache/flight.ts";
import { lockDirectory } from "../../../src/cache/lock.ts";
import { openRecords } from "../../../src/cache/records.ts";
import type { FillFetch } from "../../../src/cache/types.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { createLog } from "../../../src/observe/log.ts";
import { randomOf } from "../../fixtures/random.ts";

const [directory = "", seed = ""] = process.argv.slice(2);
const random = randomOf(seed);
const clock = systemClock;
const log = createLog({ level: "silent", format: "json" });

await lockDirectory({ directory });
const store = await openDiskStore({ directory, clock, log });
const records = openRecords({ directory, clock, log });
const flights = createFlights({ store, log, retryDelays: [0, 0] });

function upstream(bytes: Buffer, cutAt: number): FillFetch {
  let asked = 0;
  return async (offset) => {
    asked += 1;
    const to = asked === 1 ? cutAt : bytes.length;
    return {
      size: bytes.length,
      mediaType: "application/octet-stream",
      offset,
      body: Readable.from(pieces(bytes, offset, to), { objectMode: false }),
    };
  };
}

async function* pieces(bytes: Buffer, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to; at += 40_000) {
    yield bytes.subarray(at, Math.min(to, at + 40_000));
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (to < bytes.length) throw new Error("cut");
}

async function fillForEver(): Promise<never> {
  for (;;) {
    const bytes = randomBytes(Math.floor(random() ** 3 * 900_000));
    const digest = digestOf(bytes);
    const cutAt = random() < 0.3 ? Math.floor(random() * bytes.length) : bytes.length;
    if (random() < 0.2) await store.put(digest, bytes);
    else await flights.join(digest, "registry.test", upstream(bytes, cutAt)).flight.done;
    const key = `blob|registry.test|${digest}`;
    await records.put(key, { digest, mediaType: "application/octet-stream", size: bytes.length, checked: clock.now() });
    process.stdout.write(`${digest}\n`);
  }
}

process.stdout.write("ready\n");
await Promise.all([fillForEver(), fillForEver(), fillForEver(), fillForEver()]);
