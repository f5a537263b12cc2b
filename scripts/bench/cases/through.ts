import { type Plan, MiB, GiB } from "../plan.ts";
import { pushRepository } from "../upstream.ts";
import type { Case } from "./case.ts";
import { cpuPerGiB, latencies, loadBusy, peakRss, size, throughput, timeToDirect, twoWorkers } from "./figures.ts";
import { gets } from "./warm.ts";

const amounts = {
  full: { blob: GiB, pulls: 8, body: 256 * MiB, pushes: 8 },
  quick: { blob: 256 * MiB, pulls: 8, body: 64 * MiB, pushes: 8 },
} as const;

const clients = 4;
const noRsa = { "nginx-rsa": "the leaf's key counts in handshakes alone" };

/** What is passed on and not kept. */
export function throughCases({ mode }: Plan): Case[] {
  const { blob, pulls, body, pushes } = amounts[mode];
  return [
    {
      name: "tunnel",
      title: `Tunnel: ${clients} clients pull ${size(blob)}, ${pulls} times in all, from a host that is not intercepted`,
      role: "tunnel",
      contenders: ["direct", "entrepot", "entrepot-2", "nginx", "squid", "mitm"],
      without: { "nginx-rsa": "no TLS of its own here", registry: "no proxy: it has no tunnels" },
      yardstick: "nginx",
      content: "kept",
      make: (site) => site.once("warm blob", () => site.addBlobs("bench/image", blob)),
      job: (request) => ({ ...gets(request, clients), requests: request.warmUp ? 1 : pulls }),
      figures: [
        cpuPerGiB({ target: { atMost: 1.2 }, workers: twoWorkers }),
        throughput(),
        loadBusy,
        ...latencies("time of one pull"),
        peakRss(),
      ],
    },
    {
      name: "push-through",
      title: `Push through: ${clients} clients push ${size(body)}, ${pushes} times in all, to the upstream`,
      role: "cache",
      contenders: ["direct", "entrepot", "entrepot-2", "nginx", "squid", "mitm"],
      without: { ...noRsa, registry: "a pull-through refuses pushes" },
      yardstick: "nginx",
      content: "kept",
      make: (site) => site.once("push", () => site.addBodies(pushRepository, body, 1)),
      job: ({ target, content, warmUp }) => ({
        kind: "push",
        target,
        repository: pushRepository,
        bodies: content.bodies,
        clients: warmUp ? 1 : clients,
        requests: warmUp ? 1 : pushes,
      }),
      figures: [
        cpuPerGiB({ workers: twoWorkers }),
        throughput(),
        timeToDirect("time"),
        loadBusy,
        ...latencies("time of one push"),
        peakRss(),
      ],
    },
  ];
}
