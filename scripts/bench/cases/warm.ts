import type { ContenderName } from "../contenders/contender.ts";
import type { PullJob } from "../load/job.ts";
import { type Plan, KiB, MiB, GiB } from "../plan.ts";
import type { Content, Site } from "../site.ts";
import type { Case, Figure, JobRequest } from "./case.ts";
import {
  cpuPerGiB,
  cpuPerRequest,
  latencies,
  loadBusy,
  peakRss,
  rate,
  size,
  throughput,
  twoWorkers,
} from "./figures.ts";

const caches: readonly ContenderName[] = ["entrepot", "entrepot-2", "nginx", "squid", "registry", "mitm"];
const noRsa = { "nginx-rsa": "the leaf's key counts in handshakes alone" };

const amounts = {
  full: {
    blob: GiB,
    pulls: 8,
    window: [1, 4],
    small: { count: 1_999, requests: 20_000 },
    ranges: { count: 2_000, requests: 2_000 },
    manifest: { requests: 20_000, warmUp: 40_000 },
    fresh: { requests: 1_000, warmUp: 2_000 },
  },
  quick: {
    blob: 256 * MiB,
    pulls: 8,
    window: [0.5, 2],
    small: { count: 999, requests: 4_000 },
    ranges: { count: 256, requests: 512 },
    manifest: { requests: 4_000, warmUp: 20_000 },
    fresh: { requests: 250, warmUp: 600 },
  },
} as const;

/** How many there are is no multiple of the clients, so that in time each client, and each process that it is connected to, is asked for each. */
const smallBlob = 16 * KiB;
const smallClients = 8;
const rangeSize = MiB;
const rangeClients = 4;

/** GETs of what is in the cache. */
export function warmCases({ mode }: Plan): Case[] {
  const { blob, pulls, small, ranges, manifest, fresh, window } = amounts[mode];
  const wholeBlob = (site: Site): Content => site.once("warm blob", () => site.addBlobs("bench/image", blob));
  const kept = { role: "cache", content: "kept", yardstick: "nginx" } as const;
  const warmBlob = (clients: number, figures: readonly Figure[]): Case => ({
    ...kept,
    name: `warm-blob-${clients}`,
    title: `Warm blob: ${clients} ${clients === 1 ? "client pulls" : "clients pull"} ${size(blob)}${clients > 4 ? "" : `, ${pulls} times in all`}`,
    contenders: clients === 4 || clients === 64 ? caches : ["entrepot", "nginx"],
    without: clients === 4 || clients === 64 ? noRsa : {},
    make: wholeBlob,
    job: (request) => ({
      ...gets(request, clients),
      requests: request.warmUp ? 1 : clients > 4 ? Number.MAX_SAFE_INTEGER : pulls,
      ...(clients > 4 && !request.warmUp && { window }),
    }),
    figures,
  });
  return [
    warmBlob(1, [cpuPerGiB(), throughput(), loadBusy, ...latencies("time of one pull"), peakRss()]),
    warmBlob(4, [
      cpuPerGiB({ target: { atMost: 0.6 }, workers: twoWorkers }),
      throughput({ target: { atLeast: 1.3 } }),
      loadBusy,
      ...latencies("time of one pull"),
      peakRss(),
    ]),
    warmBlob(16, [cpuPerGiB(), throughput(), loadBusy, peakRss()]),
    warmBlob(64, [cpuPerGiB(), throughput(), loadBusy, peakRss({ own: { atMost: 250 } })]),
    {
      ...kept,
      name: "small-blobs",
      title: `Many small blobs: ${small.count} of ${size(smallBlob)}, ${small.requests} GETs by ${smallClients} clients`,
      contenders: caches,
      without: noRsa,
      make: (site) => site.once("small blobs", () => site.addBlobs("bench/small", smallBlob, small.count)),
      fill: (request) => ({ ...gets(request, smallClients), requests: small.count }),
      job: (request) => ({ ...gets(request, smallClients), requests: small.requests }),
      figures: [
        cpuPerRequest("blob", { target: { atMost: 1 }, workers: twoWorkers }),
        rate("blobs"),
        loadBusy,
        ...latencies("latency", "µs"),
        peakRss(),
      ],
    },
    {
      ...kept,
      name: "ranges",
      title: `Range reads: ${ranges.requests} of ${size(rangeSize)} all over a blob of ${size(blob)}, by ${rangeClients} clients`,
      contenders: ["entrepot", "entrepot-2", "nginx", "squid", "registry"],
      without: { ...noRsa, mitm: "the simplest disk cache has no ranges" },
      make: (site) => site.once("ranges", () => site.ranges(wholeBlob(site), rangeSize, ranges.count)),
      fill: (request) => ({ ...gets(request, 1), items: request.content.whole ?? [], requests: 1 }),
      job: (request) => ({ ...gets(request, rangeClients), requests: ranges.requests }),
      figures: [cpuPerGiB({ workers: twoWorkers }), throughput(), loadBusy, ...latencies("latency"), peakRss()],
    },
    {
      ...kept,
      name: "manifest-hit",
      title: `Manifest hit: by digest, ${manifest.requests} one after the other on one connection`,
      contenders: caches,
      without: noRsa,
      make: (site) => site.once("manifest", () => site.addManifest("bench/image")),
      job: (request) => ({ ...gets(request, 1), requests: request.warmUp ? manifest.warmUp : manifest.requests }),
      figures: [
        cpuPerRequest("hit", { target: { atMost: 0.9 }, workers: twoWorkers }),
        ...latencies("latency", "µs"),
        peakRss(),
      ],
    },
    {
      ...kept,
      name: "fresh-connection",
      title: `Fresh connection: CONNECT where the contender is a proxy, full TLS handshake, cached manifest; ${fresh.requests} one after the other`,
      contenders: ["entrepot", "entrepot-2", "nginx", "nginx-rsa", "squid", "registry", "mitm"],
      without: {},
      make: (site) => site.once("manifest", () => site.addManifest("bench/image")),
      job: (request) => ({
        ...gets(request, 1),
        connections: "fresh",
        requests: request.warmUp ? fresh.warmUp : fresh.requests,
      }),
      figures: [
        cpuPerRequest("connection", { target: { atMost: 0.85 }, workers: twoWorkers }),
        ...latencies("latency", "µs"),
        peakRss(),
      ],
    },
  ];
}

/** GETs of the content by so many clients on connections that they keep; how many is still to be said. */
export function gets({ target, content }: JobRequest, clients: number): Omit<PullJob, "requests"> {
  return { kind: "pull", target, items: content.items, verify: false, clients, connections: "kept" };
}
