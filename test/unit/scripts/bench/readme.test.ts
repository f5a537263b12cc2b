import { readFileSync } from "node:fs";
import t from "tap";
import { createCases } from "../../../../scripts/bench/cases/all.ts";
import { describeMachine } from "../../../../scripts/bench/machine.ts";
import { full } from "../../../../scripts/bench/plan.ts";
import { benchMarkers, readmePart } from "../../../../scripts/bench/readme.ts";
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
  t.end();
});

t.test("what is expected stands in the README with what was found", (t) => {
  const part = readmePart(findings, "bench/results.svg");
  t.match(part, "](bench/results.svg)");
  t.match(part, "| `tunnel` | CPU (CPU-s/GiB) | Entrepot / nginx | 1.25 | at most 1.2 | **missed** |");
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
