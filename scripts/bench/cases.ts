import type { ContenderName } from "./contenders/contender.ts";
import type { Job } from "./load/job.ts";
import { KiB, MiB, type Plan } from "./plan.ts";
import type { Content, Site } from "./site.ts";

export type CaseName =
  | "warm-blob"
  | "manifest-hit"
  | "fresh-connection"
  | "cold-blob"
  | "paced-cold-blob"
  | "herd"
  | "slow-clients";

/** One thing that is measured of every contender. */
export interface Case {
  readonly name: CaseName;
  /** For the report: what is done, with its amounts. */
  readonly title: string;
  /** warm: the same content in every round, in the cache since the warm-up. cold: content of its own for each round. */
  readonly content: "warm" | "cold";
  readonly contenders: readonly ContenderName[];
  make(site: Site): Content;
  /** `direct` has `once` in place of it. */
  readonly load: Pick<Job, "requests" | "clients" | "connections" | "slow">;
  /** Requests of the warm-up. */
  readonly warmUp: number;
}

const caches: readonly ContenderName[] = ["entrepot", "nginx", "mitm"];
/** One transfer by one client. */
export const once: Case["load"] = { requests: 1, clients: 1, connections: "kept" };
/** The upstream sends the blobs of these at the plan's pace. */
export const pacedRepository = "bench/paced";
export const herdRepository = "bench/herd";

function mebibytes(size: number): string {
  return `${size / MiB} MiB`;
}

export function createCases(plan: Plan): Case[] {
  const { warmBlob, manifest, fresh, coldBlob, pacedBlob, herd, slowClients } = plan;
  return [
    {
      name: "warm-blob",
      title: `Warm blob: ${warmBlob.clients} clients pull ${mebibytes(warmBlob.size)} ${warmBlob.pulls} times in all`,
      content: "warm",
      contenders: caches,
      make: (site) => site.addBlob("bench/image", warmBlob.size),
      load: { requests: warmBlob.pulls, clients: warmBlob.clients, connections: "kept" },
      warmUp: warmBlob.clients,
    },
    {
      name: "manifest-hit",
      title: `Manifest hit: by digest, ${manifest.requests} one after the other on one connection`,
      content: "warm",
      contenders: caches,
      make: (site) => site.addManifest("bench/image"),
      load: { requests: manifest.requests, clients: 1, connections: "kept" },
      warmUp: manifest.warmUp,
    },
    {
      name: "fresh-connection",
      title: `Fresh connection: CONNECT (not nginx), full TLS handshake, cached manifest; ${fresh.connections} one after the other`,
      content: "warm",
      contenders: caches,
      make: (site) => site.addManifest("bench/image"),
      load: { requests: fresh.connections, clients: 1, connections: "fresh" },
      warmUp: fresh.warmUp,
    },
    {
      name: "cold-blob",
      title: `Cold blob: ${mebibytes(coldBlob.size)}, one client, as fast as it goes`,
      content: "cold",
      contenders: ["direct", ...caches],
      make: (site) => site.addBlob("bench/image", coldBlob.size),
      load: once,
      warmUp: 1,
    },
    {
      name: "paced-cold-blob",
      title: `Cold blob behind a gigabit line: ${mebibytes(pacedBlob.size)}, one client, upstream limited to ${mebibytes(plan.pace)}/s`,
      content: "cold",
      contenders: ["direct", ...caches],
      make: (site) => site.addBlob(pacedRepository, pacedBlob.size),
      load: once,
      warmUp: 1,
    },
    {
      name: "herd",
      title: `Herd: ${herd.clients} clients ask at once for one cold blob of ${mebibytes(herd.size)}, upstream limited to ${mebibytes(herd.pace)}/s per connection`,
      content: "cold",
      contenders: ["direct", "entrepot", "nginx"],
      make: (site) => site.addBlob(herdRepository, herd.size),
      load: { requests: herd.clients, clients: herd.clients, connections: "kept" },
      warmUp: herd.clients,
    },
    {
      name: "slow-clients",
      title: `Slow clients: ${slowClients.slow} read one cold blob of ${mebibytes(slowClients.size)} at ${slowClients.rate / KiB} KiB/s each, ${slowClients.fast} as fast as it comes, upstream limited to ${mebibytes(herd.pace)}/s per connection`,
      content: "cold",
      contenders: ["direct", "entrepot"],
      make: (site) => site.addBlob(herdRepository, slowClients.size),
      load: {
        requests: slowClients.fast,
        clients: slowClients.fast,
        connections: "kept",
        slow: { clients: slowClients.slow, bytesPerSecond: slowClients.rate },
      },
      warmUp: slowClients.fast,
    },
  ];
}
