import { readFileSync } from "node:fs";
import t from "tap";
import { createCases } from "../../../../scripts/bench/cases/all.ts";
import { describeMachine } from "../../../../scripts/bench/machine.ts";
import { growthCases } from "../../../../scripts/bench/cases/growth.ts";
import { growthReport } from "../../../../scripts/bench/growth-report.ts";
import { full } from "../../../../scripts/bench/plan.ts";
import { benchMarkers, growthMarkers, growthPart, readmePart } from "../../../../scripts/bench/readme.ts";
import { report } from "../../../../scripts/bench/report.ts";
import { withMarkedPart } from "../../../../scripts/marked-part.ts";
import { sample } from "./sample.ts";

const cases = createCases(full).filter(({ name }) => name === "tunnel");
const samples = [
  sample("tunnel", "entrepot", 1, { seconds: 1, bytes: 1024 ** 3, cpuSeconds: 0.5 }),
  sample("tunnel", "nginx", 1, { seconds: 1, bytes: 1024 ** 3, cpuSeconds: 0.4 }),
];
const findings = {
  command: "npm run bench",
  machine: describeMachine(),
  versions: ["nginx 1.0"],
  pinning: "Nothing is pinned.",
  cases,
  samples,
  problems: ["squid fell over"],
  absent: ["docker-registry: it is not installed"],
  seconds: 12,
};

t.test("README.md has a place for what a full run finds", (t) => {
  const readme = readFileSync(new URL("../../../../README.md", import.meta.url), "utf8");
  t.match(withMarkedPart(readme, benchMarkers, "found this"), "found this");
  t.match(withMarkedPart(readme, growthMarkers, "found that"), "found that");
  t.end();
});

t.test("what is expected stands in the README with what was found", (t) => {
  const part = readmePart(findings, "bench/results.svg");
  t.match(part, "](bench/results.svg)");
  t.match(part, "| `tunnel` | CPU (CPU-s/GiB) | Entrepot / nginx | 1.25 | at most 1.2 | **missed** |");
  t.end();
});

t.test("what a machine serves is reckoned from what a GiB and a hit took", (t) => {
  const grown = {
    ...findings,
    cases: growthCases(full),
    samples: [
      sample("clients 64", "entrepot", 1, {
        seconds: 2,
        bytes: 2 * 1024 ** 3,
        cpuSeconds: 1,
        peakRss: 200 * 1024 ** 2,
      }),
      sample("count 1000", "entrepot", 1, { seconds: 2, requests: 10_000, cpuSeconds: 1 }),
    ],
  };
  const part = growthPart(grown, "bench/growth.svg");
  t.match(part, "](bench/growth.svg)");
  t.match(part, "| 2 | 2.80 | 25 Gbit/s | 14000 |", "2 cores x 0.7 / 0.5 s, and / 100 µs");
  t.match(part, "| 16 | 22.4 | 25 Gbit/s | 112000 |");
  t.match(growthReport({ ...grown, plot: undefined }), "## What a machine serves");
  t.end();
});

t.test("the report says who did what, and who did not and why", (t) => {
  const text = report({ ...findings, plot: "results.svg" });
  t.match(text, "](results.svg)");
  t.match(
    text,
    "| CPU (CPU-s/GiB) | 0.50 [0.50 to 0.50] | 0.40 [0.40 to 0.40] | 1.25 [1.25 to 1.25] | at most 1.2: **missed** |",
  );
  t.match(text, "docker-registry: no proxy: it has no tunnels");
  t.match(text, "- Not measured: docker-registry: it is not installed.");
  t.match(text, "squid fell over");
  t.notMatch(report({ ...findings, plot: undefined }), "svg");
  t.end();
});
