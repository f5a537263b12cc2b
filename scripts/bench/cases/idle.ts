import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { type Plan, KiB } from "../plan.ts";
import { type Sample, type Stage, jobOf, measure } from "../round.ts";
import type { Case } from "./case.ts";
import { cpuPerRequest, per, peakRss } from "./figures.ts";

const amounts = { full: 10_000, quick: 1_000 } as const;

/** Left for everything that is no connection. */
const descriptors = 500;
const atOnce = 32;
/** Milliseconds after the last connection: a collector may still have work. */
const quiet = 1_500;

/** Connections that asked once and wait: what a cluster's nodes keep open. */
export function idleCases({ mode }: Plan): Case[] {
  const connections = Math.min(amounts[mode], openFiles() - descriptors);
  return [
    {
      name: "idle-connections",
      title: `Idle connections: ${connections} that have got a cached manifest and stay open`,
      role: "cache",
      contenders: ["entrepot", "entrepot-2", "nginx", "squid", "registry"],
      without: {
        "nginx-rsa": "the leaf's key counts in handshakes alone",
        mitm: "it takes three descriptors for a connection, more than a process may have open here",
      },
      yardstick: "nginx",
      content: "kept",
      own: "idle",
      rounds: 3,
      make: (site) => site.once("manifest", () => site.addManifest("bench/image")),
      job: ({ target, content, warmUp }) => {
        const [item] = content.items;
        if (!item) throw new Error("Nothing to ask for.");
        return { kind: "idle", target, item, connections: warmUp ? 1 : connections, atOnce: warmUp ? 1 : atOnce };
      },
      measure: (stage) => rssOf(stage, connections),
      figures: [
        {
          name: "RSS per connection",
          unit: "KiB",
          value: (sample) => per(sample.grownRss, KiB * connections),
          own: { atMost: 40 },
        },
        cpuPerRequest("connection opened"),
        peakRss(),
      ],
    },
  ];
}

async function rssOf(stage: Stage, connections: number): Promise<Sample> {
  const job = jobOf(stage);
  const { tree } = stage.place;
  if (job.kind !== "idle" || !tree) throw new Error("Only a process that serves connections can be measured.");
  const none = { ...job, connections: 0 };
  if (stage.round === 0) {
    const sample = await measure(stage, job);
    await stage.load.run(none);
    return sample;
  }
  // What a process needs once, as compiled code and pools, is not a connection's.
  await stage.load.run({ ...job, connections: Math.ceil(connections / 20) });
  await stage.load.run(none);
  await pause(quiet);
  const before = tree.rssBytes();
  const sample = await measure(stage, job);
  await pause(quiet);
  const grownRss = tree.rssBytes() - before;
  await stage.load.run(none);
  return { ...sample, grownRss };
}

/** How many files a process may have open, as those started from here inherit it. */
function openFiles(): number {
  const limit = /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}
