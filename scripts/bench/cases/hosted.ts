import type { ContenderName } from "../contenders/contender.ts";
import { type Plan, MiB } from "../plan.ts";
import type { Case } from "./case.ts";
import { cpuPerGiB, latencies, loadBusy, peakRss, size, throughput, twoWorkers } from "./figures.ts";
import { gets } from "./warm.ts";

const amounts = {
  full: { body: 32 * MiB, pushes: 8, blob: 256 * MiB, pulls: 16 },
  quick: { body: 16 * MiB, pushes: 8, blob: 64 * MiB, pulls: 16 },
} as const;

const clients = 4;
const repository = "bench/hosted";
const contenders: readonly ContenderName[] = ["entrepot", "entrepot-2", "registry"];
const noRegistries = {
  nginx: "no registry",
  "nginx-rsa": "no registry",
  squid: "no registry",
  mitm: "no registry",
};

/** What a registry of one's own does, without TLS. */
export function hostedCases({ mode }: Plan): Case[] {
  const { body, pushes, blob, pulls } = amounts[mode];
  const hosted = { role: "hosted", contenders, without: noRegistries, yardstick: "registry" } as const;
  const figures = (what: string): Case["figures"] => [
    cpuPerGiB({ target: { atMost: 1 }, workers: twoWorkers }),
    throughput(),
    loadBusy,
    ...latencies(what),
    peakRss(),
  ];
  return [
    {
      ...hosted,
      name: "hosted-push",
      title: `Hosted push: ${clients} clients push ${pushes} blobs of ${size(body)} to the registry itself`,
      content: "new",
      make: (site) => site.addBodies(repository, body, pushes),
      job: ({ target, content }) => ({
        kind: "push",
        target,
        repository,
        bodies: content.bodies,
        clients,
        requests: pushes,
      }),
      figures: figures("time of one push"),
    },
    {
      ...hosted,
      name: "hosted-pull",
      title: `Hosted pull: ${clients} clients pull ${size(blob)} ${pulls} times in all from the registry itself`,
      content: "kept",
      make: (site) => site.once("hosted blob", () => site.addBodies(repository, blob, 1)),
      fill: ({ target, content }) => ({
        kind: "push",
        target,
        repository,
        bodies: content.bodies,
        clients: 1,
        requests: 1,
      }),
      job: (request) => ({ ...gets(request, clients), requests: request.warmUp ? clients : pulls }),
      figures: figures("time of one pull"),
    },
  ];
}
