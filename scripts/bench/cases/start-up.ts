import { setTimeout as pause } from "node:timers/promises";
import { type Plan, KiB, MiB } from "../plan.ts";
import { type Sample, type Stage, jobOf, measure } from "../round.ts";
import type { Case } from "./case.ts";
import { per, size } from "./figures.ts";
import { gets } from "./warm.ts";

const amounts = { full: { blobs: 200_000, later: 5_000 }, quick: { blobs: 4_000, later: 1_000 } } as const;

const blobSize = KiB;
const fillClients = 16;

/** A process that begins with a full cache. */
export function startUpCases({ mode }: Plan): Case[] {
  const { blobs, later } = amounts[mode];
  return [
    {
      name: "start-up",
      title: `Start-up: with ${blobs} cached blobs of ${size(blobSize)}, from the start of the process to the first hit`,
      role: "cache",
      contenders: ["entrepot", "entrepot-2", "nginx", "squid"],
      without: {
        "nginx-rsa": "the leaf's key counts in handshakes alone",
        registry: "it reads no cache at its start, and takes hours to be filled: some thirty small blobs a second",
        mitm: "it reads no cache at its start",
      },
      yardstick: "nginx",
      content: "kept",
      own: "start-up",
      rounds: 3,
      make: (site) => site.once("many blobs", () => site.addBlobs("bench/many", blobSize, blobs)),
      fill: (request) => ({ ...gets(request, fillClients), requests: blobs }),
      job: (request) => ({ ...gets(request, 1), items: request.content.items.slice(-1), requests: 1 }),
      measure: (stage) => start(stage, later),
      figures: [
        {
          name: "first hit after",
          unit: "ms",
          value: (sample) => per(sample.started, 1 / 1000),
          own: { atMost: 2_000 },
        },
        { name: `CPU in the first ${later / 1000} s`, unit: "CPU-s", value: (sample) => sample.cpuSeconds },
        { name: `RSS after them`, unit: "MiB", value: (sample) => per(sample.grownRss, MiB) },
      ],
    },
  ];
}

async function start(stage: Stage, later: number): Promise<Sample> {
  const sample = await measure(stage, jobOf(stage));
  const { tree } = stage.place;
  if (!tree) throw new Error("Only a process that was started can be measured.");
  const started = (performance.now() - tree.since) / 1000;
  await pause(later);
  return { ...sample, started, cpuSeconds: tree.cpuSeconds(), grownRss: tree.rssBytes() };
}
