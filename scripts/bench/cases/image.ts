import { type Plan, MiB } from "../plan.ts";
import type { Case } from "./case.ts";
import { cpuPerRequest, latencies, per, peakRss, size } from "./figures.ts";

const amounts = { full: { layer: 16 * MiB, pulls: 8 }, quick: { layer: 2 * MiB, pulls: 4 } } as const;

const layers = 12;
/** Layers that dockerd downloads at the same time. */
const atOnce = 3;

/** Milliseconds that it takes to the upstream and back. */
export const distance = 50;

/** What a user waits for. */
export function imageCases({ mode }: Plan): Case[] {
  const { layer, pulls } = amounts[mode];
  return [
    {
      name: "image-pull",
      title: `Whole image: a warm pull of ${layers} layers of ${size(layer)} as dockerd does it, the upstream ${distance} ms away; ${pulls} one after the other`,
      role: "cache",
      contenders: ["direct", "entrepot", "entrepot-2", "nginx", "squid", "registry", "mitm"],
      without: { "nginx-rsa": "the leaf's key counts in handshakes alone" },
      yardstick: "nginx",
      content: "kept",
      own: "image",
      distant: true,
      mayAsk: true,
      rounds: 3,
      make: (site) => site.once("image", () => site.addImage("bench/app", layers, layer)),
      job: ({ target, content, warmUp, name }) => {
        if (!content.image) throw new Error("There is no image.");
        const once = warmUp || name === "direct";
        return { kind: "image", target, image: content.image, verify: false, pulls: once ? 1 : pulls, atOnce };
      },
      figures: [
        ...latencies("time of one pull"),
        {
          name: "waits for the upstream in a pull",
          unit: "round trips",
          value: (sample) => per(sample.upstreamRoundTrips, sample.requests),
          own: { exactly: 0 },
        },
        {
          name: "of which for tag, manifest, config and layers",
          unit: "requests",
          value: (sample) => per(sample.upstreamContent, sample.requests),
          own: { exactly: 0 },
        },
        {
          ...cpuPerRequest("pull"),
          unit: "CPU-ms/pull",
          value: (sample) => per(sample.cpuSeconds, sample.requests / 1e3),
        },
        peakRss(),
      ],
    },
  ];
}
