/** npm run bench: Entrepot beside others at the same work, in one run. bench/README.md says what is measured and how. */
import { spawnSync } from "node:child_process";
import { readFileSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { size } from "./cases/figures.ts";
import { type Order, readCommandLine } from "./command-line.ts";
import { nginxVersion } from "./contenders/nginx.ts";
import { growthReport } from "./growth-report.ts";
import { describeMachine } from "./machine.ts";
import { place } from "./placing.ts";
import { growthPlot } from "./plot/growth.ts";
import { ratioPlot } from "./plot/ratios.ts";
import { killAll } from "./processes.ts";
import { withMarkedPart } from "../marked-part.ts";
import { benchMarkers, growthMarkers, growthPart, readmePart } from "./readme.ts";
import { type Findings, report } from "./report.ts";
import { run } from "./run.ts";

const repository = path.resolve(import.meta.dirname, "../..");

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 2;
});

async function main(): Promise<number> {
  const order = readCommandLine(process.argv.slice(2));
  if (typeof order === "string") {
    process.stdout.write(order);
    return 0;
  }
  const missing = ["nginx", "openssl", ...(order.pin ? ["taskset"] : [])].filter((command) => !installed(command));
  if (missing.length > 0) throw new Error(`Not found: ${missing.join(", ")}. On Debian: scripts/bench-deps.sh`);
  const free = statfsSync(order.directory);
  if (order.whole && free.bavail * free.bsize < order.plan.disk)
    throw new Error(`${order.directory} has less free than ${size(order.plan.disk)}; --dir names another place.`);
  const findings = await measure(order);
  publish(order, findings);
  return findings.problems.length === 0 ? 0 : 1;
}

async function measure(order: Order): Promise<Omit<Findings, "plot">> {
  const { plan, cases, contenders, pin, profile, directory } = order;
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => (stop.signal.aborted ? process.exit(1) : stop.abort(new Error(`Ended by ${name}.`))));
  }
  process.once("exit", killAll);
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(plan.runLimit)]);
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const say = (line: string): void => void process.stderr.write(`${seconds().toFixed(0)} s: ${line}\n`);
  const profileDirectory = profile === undefined ? undefined : path.resolve(profile);
  const result = await run({ plan, cases, contenders, base: directory, pin, profileDirectory, signal, say });
  return {
    ...result,
    cases,
    command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
    machine: describeMachine(),
    versions: [...result.versions, `upstream nginx ${nginxVersion()}`],
    pinning: place(pin).words,
    seconds: seconds(),
  };
}

/** Prints the report; where it is to be kept, writes it and its plot: RESULTS.md has results.svg beside it. */
function publish({ growth, out, whole }: Order, findings: Omit<Findings, "plot">): void {
  const write = growth ? growthReport : report;
  const plot = (growth ? growthPlot : ratioPlot)(findings.cases, findings.samples);
  const file = out === undefined ? undefined : path.resolve(repository, out);
  if (out === undefined || file === undefined || plot === "") {
    process.stdout.write(write({ ...findings, plot: undefined }));
    return;
  }
  const plotName = `${path.parse(file).name.toLowerCase()}.svg`;
  const text = write({ ...findings, plot: plotName });
  process.stdout.write(text);
  writeFileSync(file, text);
  writeFileSync(path.join(path.dirname(file), plotName), plot);
  if (!whole) return;
  const readme = path.join(repository, "README.md");
  const [markers, part] = growth ? ([growthMarkers, growthPart] as const) : ([benchMarkers, readmePart] as const);
  const made = part(findings, path.join(path.dirname(out), plotName));
  writeFileSync(readme, withMarkedPart(readFileSync(readme, "utf8"), markers, made));
}

function installed(command: string): boolean {
  const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  return spawnSync(command, ["--version"], { stdio: "ignore", env: { PATH } }).error === undefined;
}
