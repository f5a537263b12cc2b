import { type Plan, KiB, MiB, GiB } from "../plan.ts";
import { type Sample, type Stage, jobOf, measure } from "../round.ts";
import type { Item } from "../load/job.ts";
import type { Case, Point } from "./case.ts";
import { cpuPerGiB, cpuPerRequest, peakRss, size } from "./figures.ts";
import { gets } from "./warm.ts";

const amounts = {
  full: {
    clients: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    counts: [10, 100, 1_000, 10_000, 50_000, 200_000],
    sizes: [KiB, 16 * KiB, 256 * KiB, 4 * MiB, 64 * MiB, GiB, 8 * GiB],
    blob: 256 * MiB,
    window: [1, 3],
    hits: 10_000,
  },
  quick: {
    clients: [1, 8, 64],
    counts: [10, 1_000],
    sizes: [KiB, MiB, 256 * MiB],
    blob: 64 * MiB,
    window: [0.5, 1.5],
    hits: 2_000,
  },
} as const;

const hitClients = 8;
const manyBlobs = KiB;
/** Of each blob size about so many bytes are pulled, but not more than so many times and not less than twice. */
const volume = GiB;
const mostPulls = 4_000;
/** A new process has compiled nothing yet: it first does this part of the work. */
const warmUpPart = 0.3;

/** Warm hits, with one thing growing at a time. The caches of a series are one directory, the processes are new at each point. */
export function growthCases({ mode }: Plan): Case[] {
  const { clients, counts, sizes, blob, window, hits } = amounts[mode];
  const shared = {
    role: "cache",
    contenders: ["entrepot", "entrepot-2", "nginx", "squid", "registry"],
    without: {},
    yardstick: "nginx",
    content: "kept",
    measure: afterSome,
  } as const;
  const point = (series: Point["series"], x: number): Pick<Case, "own" | "point" | "name"> => ({
    name: `${series} ${x}`,
    own: series,
    point: { series, x },
  });
  return [
    ...clients.map((count): Case => ({
      ...shared,
      ...point("clients", count),
      title: `${count} clients pull a blob of ${size(blob)}`,
      make: (site) => site.once("growing clients", () => site.addBlobs("bench/image", blob)),
      fill: (request) => ({ ...gets(request, 1), requests: 1 }),
      job: (request) => ({ ...gets(request, count), requests: Number.MAX_SAFE_INTEGER, window }),
      figures: [cpuPerGiB(), peakRss()],
    })),
    ...counts.map((count): Case => ({
      ...shared,
      ...point("count", count),
      title: `${hits} hits by ${hitClients} clients among ${count} blobs of ${size(manyBlobs)}`,
      make: (site) => site.once(`blobs ${count}`, () => site.addBlobs("bench/many", manyBlobs, count)),
      fill: (request) => ({ ...gets(request, hitClients), requests: count }),
      job: (request) => ({ ...gets(request, hitClients), items: spread(request.content.items, hits), requests: hits }),
      figures: [cpuPerRequest("hit"), peakRss()],
    })),
    ...sizes.map((bytes): Case => {
      const requests = Math.max(2, Math.min(mostPulls, Math.round(volume / bytes)));
      return {
        ...shared,
        ...point("size", bytes),
        title: `${requests} pulls of a blob of ${size(bytes)}`,
        make: (site) => site.once(`blob of ${bytes}`, () => site.addBlobs("bench/image", bytes)),
        fill: (request) => ({ ...gets(request, 1), requests: 1 }),
        job: (request) => ({ ...gets(request, 1), requests }),
        figures: [cpuPerGiB(), peakRss()],
      };
    }),
  ];
}

async function afterSome(stage: Stage): Promise<Sample> {
  const job = jobOf(stage);
  if (job.kind !== "pull") throw new Error("Only pulls grow.");
  const { window, requests, ...rest } = job;
  if (stage.round === 0) return await measure(stage, { ...rest, requests: 1, clients: 1 });
  if (window) await stage.load.run({ ...job, window: [window[0] * warmUpPart, window[1] * warmUpPart] });
  else await stage.load.run({ ...job, requests: Math.max(1, Math.round(requests * warmUpPart)) });
  return await measure(stage, job);
}

/** So many of the items, from all over them. */
function spread(items: readonly Item[], count: number): Item[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, index) => index % step === 0).slice(0, count);
}
