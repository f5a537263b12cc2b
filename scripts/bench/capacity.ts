import type { Case } from "./cases/case.ts";
import { type Findings, short } from "./report.ts";
import { summariseFigures } from "./rows.ts";

/** GiB per second that a line of so many Gbit/s brings, less what Ethernet, IP, TCP and TLS add to a full packet. */
const lineRate = (gigabits: number): number => ((gigabits * 1e9) / 8 / 1024 ** 3) * 0.94;
const lines = [1, 10, 25];
const machines = [2, 16];
/** Of a machine's CPU: the network's interrupts and the rest of the machine need some, too. */
const share = 0.7;

/** What a machine can be expected to serve, from what a core was measured to serve, in Markdown; empty where that was not measured. */
export function capacity({ cases, samples }: Pick<Findings, "cases" | "samples">): string[] {
  const median = (each: Case | undefined, figure: string): number | undefined =>
    each &&
    summariseFigures(each, samples)
      .find((row) => row.figure.name === figure)
      ?.values.get("entrepot")?.median;
  const at = (series: string, x: number): Case | undefined =>
    cases.find(({ point }) => point?.series === series && point.x === x);
  const perGiB = median(at("clients", 64), "CPU");
  const perHit = median(at("count", 1_000), "CPU");
  const rss = median(at("clients", 64), "peak RSS");
  if (perGiB === undefined || perHit === undefined || rss === undefined) return [];
  const rows = machines.map((cores) => {
    const bytes = (cores * share) / perGiB;
    const enough = lines.findLast((line) => lineRate(line) <= bytes);
    const hits = Math.round((cores * share * 1e6) / perHit / 100) * 100;
    return `| ${cores} | ${short(bytes)} | ${enough === undefined ? "-" : `${enough} Gbit/s`} | ${hits} |`;
  });
  return [
    `With 64 clients a GiB from the cache took ${short(perGiB)} CPU seconds, a small hit ${short(perHit)} CPU-µs (with 1,000 blobs in turn; the first since the start is dearer, since the file is read and hashed). With ${share * 100} % of a machine's CPU`,
    `(the rest for the network's interrupts and everything else), so \`cores x ${share} / ${short(perGiB)}\` GiB/s and \`cores x ${share} / ${short(perHit)} µs\` hits:`,
    "",
    "| cores | GiB/s from the cache | fills a line of | small hits/s |",
    "| ---: | ---: | ---: | ---: |",
    ...rows,
    "",
    `This machine's cores are the measure, and loopback is the network. Memory: ${short(rss)} MiB for the first process with 64 pulls running, in whatever`,
    "sizes; each further worker takes about as much again. Content is read through the page cache, so what is hot should fit in memory, else the disk is the limit.",
    "",
  ];
}
