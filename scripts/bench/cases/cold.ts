import type { ContenderName } from "../contenders/contender.ts";
import type { PullJob } from "../load/job.ts";
import { type Plan, KiB, MiB } from "../plan.ts";
import type { Case, JobRequest } from "./case.ts";
import { cpuPerGiB, latencies, peakRss, size, slowestRate, throughput, timeToDirect, transfers } from "./figures.ts";
import { gets } from "./warm.ts";

const caches: readonly ContenderName[] = ["direct", "entrepot", "entrepot-2", "nginx", "squid", "registry", "mitm"];
const noRsa = { "nginx-rsa": "the leaf's key counts in handshakes alone" };

const amounts = {
  full: { cold: 192 * MiB, paced: 128 * MiB, herd: 384 * MiB, bigHerd: 64 * MiB, slow: 192 * MiB },
  quick: { cold: 96 * MiB, paced: 48 * MiB, herd: 64 * MiB, bigHerd: 16 * MiB, slow: 96 * MiB },
} as const;

/** Bytes per second of one connection to the upstream. */
export const paces = { "bench/paced": 112 * MiB, "bench/herd": 48 * MiB, "bench/big-herd": 12 * MiB } as const;

const slow = { clients: 64, bytesPerSecond: 64 * KiB } as const;
const fast = 2;

/** GETs of what nobody has yet. */
export function coldCases({ mode }: Plan): Case[] {
  const { cold, paced, slow: slowSize } = amounts[mode];
  const fresh = { role: "cache", content: "new", yardstick: "nginx" } as const;
  const herd = (clients: number, repository: keyof typeof paces, bytes: number): Case => ({
    ...fresh,
    name: `herd-${clients}`,
    title: `Herd: ${clients} clients ask at once for one cold blob of ${size(bytes)}, upstream limited to ${size(paces[repository])}/s per connection`,
    contenders: ["direct", "entrepot", "entrepot-2", "nginx", "squid", "registry"],
    without: { ...noRsa, mitm: "the simplest disk cache fetches once for each client" },
    make: (site) => site.addBlobs(repository, bytes),
    job: (request) => ({ ...alone(request), ...(request.name !== "direct" && { requests: clients, clients }) }),
    figures: [
      transfers({ own: { exactly: 1 } }),
      timeToDirect("last client's time", { own: { atMost: 1.1 } }),
      {
        name: "first follower's first byte after the leader's",
        unit: "ms",
        value: (sample) => sample.lag?.first,
        own: { atMost: 50 },
      },
      { name: "last follower's", unit: "ms", value: (sample) => sample.lag?.last },
      { ...cpuPerGiB(), unit: "CPU-s/GiB served" },
      peakRss(),
    ],
  });
  return [
    {
      ...fresh,
      name: "cold-blob",
      title: `Cold blob: ${size(cold)}, one client, as fast as it goes`,
      contenders: caches,
      without: noRsa,
      make: (site) => site.addBlobs("bench/image", cold),
      job: alone,
      figures: [cpuPerGiB({ target: { atMost: 1.3 } }), throughput(), timeToDirect("time"), transfers(), peakRss()],
    },
    {
      ...fresh,
      name: "paced-cold-blob",
      title: `Cold blob behind a gigabit line: ${size(paced)}, one client, upstream limited to ${size(paces["bench/paced"])}/s`,
      contenders: caches,
      without: noRsa,
      make: (site) => site.addBlobs("bench/paced", paced),
      job: alone,
      figures: [
        timeToDirect("time", { own: { atMost: 1.05 } }),
        cpuPerGiB({ target: { atMost: 1.3 } }),
        transfers(),
        peakRss(),
      ],
    },
    herd(12, "bench/herd", amounts[mode].herd),
    herd(64, "bench/big-herd", amounts[mode].bigHerd),
    {
      ...fresh,
      name: "slow-clients",
      title: `Slow clients: ${slow.clients} read one cold blob of ${size(slowSize)} at ${size(slow.bytesPerSecond)}/s each, ${fast} as fast as it comes, upstream limited to ${size(paces["bench/herd"])}/s per connection`,
      contenders: ["direct", "entrepot", "entrepot-2"],
      without: {
        ...noRsa,
        nginx: "its followers get nothing until the blob is whole",
        squid: "a slow client that leads holds all others to its pace",
        registry: "fetches once for each client that comes meanwhile",
        mitm: "fetches once for each client",
      },
      make: (site) => site.addBlobs("bench/herd", slowSize),
      job: (request) => ({
        ...alone(request),
        ...(request.name !== "direct" && { requests: fast, clients: fast, slow }),
      }),
      figures: [
        transfers({ own: { exactly: 1 } }),
        timeToDirect("last fast client's time", { own: { atMost: 1.1 } }),
        slowestRate,
        ...latencies("time of a fast pull"),
        peakRss(),
      ],
    },
  ];
}

/** One transfer by one client. */
function alone(request: JobRequest): PullJob {
  return { ...gets(request, 1), requests: 1 };
}
