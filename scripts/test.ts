/**
 * The front of tap: `node scripts/test.ts unit integration`, `... workers` or `... e2e`, then any number of texts that a file's path must
 * hold. Passing files are one line each, failing ones are shown in full, and the last line is `N passed, N failed`.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

interface Suite {
  readonly patterns: readonly string[];
  readonly secondsPerFile: number;
  readonly minutesInAll: number;
  readonly jobs: number;
  /** What its tests find in their environment besides. */
  readonly env?: Readonly<Record<string, string>>;
}

const cores = availableParallelism();
const suites: Readonly<Record<string, Suite>> = {
  unit: { patterns: ["test/*.test.ts", "test/unit/**/*.test.ts"], secondsPerFile: 120, minutesInAll: 10, jobs: cores },
  integration: { patterns: ["test/integration/**/*.test.ts"], secondsPerFile: 180, minutesInAll: 25, jobs: cores },
  // What processes of one instance share, with every proxy as four of them. Any file of integration may run so; these take a minute or two and not ten.
  workers: {
    patterns: [
      "test/integration/cache/{abandon,evict,landing}.test.ts",
      "test/integration/serve/{access,push-broken,push-kept}.test.ts",
      "test/integration/front/mirror.test.ts",
    ],
    secondsPerFile: 180,
    minutesInAll: 10,
    jobs: cores,
    env: { ENTREPOT_TEST_WORKERS: "4" },
  },
  // The real clients and daemons share the machine's ports, stores and trust: one file at a time.
  e2e: { patterns: ["test/e2e/**/*.test.ts"], secondsPerFile: 600, minutesInAll: 60, jobs: 1 },
};

const root = resolve(import.meta.dirname, "..");
const tap = join(dirname(fileURLToPath(import.meta.resolve("tap/package.json"))), "dist/esm/run.mjs");

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

function finish(totals: Totals): never {
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
  console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
  process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1);
}

/**
 * tap ships its test class built with the TypeScript plugin, which .taprc leaves out, and replaces it during the first
 * run, too late for that run. Building it before takes a few seconds, once per installation, and no network.
 */
function buildPlugins(): void {
  const built = join(root, "node_modules/@tapjs/test/test-built/dist/esm/index.js");
  if (existsSync(built) && !readFileSync(built, "utf8").includes('from "@tapjs/typescript"')) return;
  const build = spawnSync(process.execPath, [tap, "build"], { cwd: root, encoding: "utf8" });
  if (build.status === 0) return;
  console.log(`${build.stdout}${build.stderr}\ntap could not build its plugins; "npm ci" puts its files back.`);
  finish({ passed: 0, failed: 1, skipped: 0 });
}

/** A diff of a body is one line, of as many bytes as the body. */
function shortened(line: string): string {
  const longest = 2000;
  return line.length <= longest ? line : `${line.slice(0, longest)} [${line.length - longest} more characters]`;
}

/** Of a failing file's TAP: its failures and all that is no TAP, under the names of the tests they are in. */
function failuresOf(lines: readonly string[]): string[] {
  const shown: string[] = [];
  let inDiagnostics = false;
  for (const line of lines) {
    const text = line.trim();
    if (text === "---") inDiagnostics = true;
    const passing = !inDiagnostics && (/^ok \d/.test(text) || /^1\.\.\d+$/.test(text) || text === "");
    if (!passing && !text.startsWith("# time=")) shown.push(line);
    if (text === "...") inDiagnostics = false;
  }
  // A subtest's title stays only where something follows that is deeper than it.
  const depth = (line: string): number => line.length - line.trimStart().length;
  const isTitle = (line: string): boolean => /^\s*# Subtest: /.test(line);
  const kept: string[] = [];
  for (const line of shown.toReversed()) {
    const next = kept.at(-1);
    if (isTitle(line) && (next === undefined || (isTitle(next) && depth(next) <= depth(line)))) continue;
    kept.push(line);
  }
  return kept.toReversed();
}

/** Prints tap's output as it comes, a file at a time, and returns the totals of its last line. */
async function report(output: NodeJS.ReadableStream): Promise<Totals> {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  let file: string[] = [];
  let empty = 0;
  for await (const line of createInterface({ input: output })) {
    const sum = /^# \{ total: \d+.*\}$/.exec(line);
    const result = /^(not )?ok \d+ - (.*?)(?: # (.*))?$/.exec(line);
    if (sum) {
      const count = (name: string): number => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0);
      Object.assign(totals, { passed: count("pass"), failed: count("fail"), skipped: count("skip") + count("todo") });
    } else if (result) {
      const [, not, name = "", remark = ""] = result;
      const hasNone = remark === "SKIP no tests found";
      if (hasNone) empty += 1;
      const time = remark.replace("time=", "").replace(/\.\d+ms/, "ms");
      if (not !== undefined) console.log(failuresOf(file).join("\n"));
      console.log(`${not === undefined && !hasNone ? "pass" : "FAIL"}  ${name}  ${time}`);
      file = [];
    } else if (!/^(?:TAP version|1\.\.\d|# time=|# No coverage)/.test(line) && line !== "") {
      file.push(shortened(line));
    }
  }
  if (file.length > 0) console.log(file.join("\n"));
  // A file without a test is a mistake; tap calls it skipped.
  totals.failed += empty;
  totals.skipped -= empty;
  return totals;
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    // The whole group: what a test started must not outlive the run.
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

const named = process.argv.slice(2).filter((word) => word in suites);
const filters = process.argv.slice(2).filter((word) => !(word in suites));
const chosen = (named.length === 0 ? ["unit", "integration"] : named).flatMap((name) => suites[name] ?? []);
const files = chosen
  .flatMap((suite) => globSync([...suite.patterns], { cwd: root }))
  .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
  .toSorted();
if (files.length === 0) {
  console.log(`No test file fits: ${process.argv.slice(2).join(" ")}`);
  finish({ passed: 0, failed: 0, skipped: 0 });
}

buildPlugins();
const jobs = Math.min(...chosen.map((suite) => suite.jobs));
// Where every proxy is several processes, it is the starts that take the time.
const times = Number(process.env["ENTREPOT_TEST_WORKERS"] ?? 1) > 1 ? 2 : 1;
const seconds = times * Math.max(...chosen.map((suite) => suite.secondsPerFile));
const minutes = times * chosen.reduce((sum, suite) => sum + suite.minutesInAll, 0);
const child = spawn(
  process.execPath,
  [tap, "run", "--reporter=tap", `--jobs=${jobs}`, `--timeout=${seconds}`, ...files],
  {
    cwd: root,
    env: Object.assign({}, process.env, ...chosen.map((suite) => suite.env)),
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  },
);
let late = false;
const limit = setTimeout(() => {
  late = true;
  console.log(`The tests took more than ${minutes} minutes and were stopped.`);
  kill(child, "SIGTERM");
  setTimeout(() => kill(child, "SIGKILL"), 10_000).unref();
}, minutes * 60_000);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    late = true;
    kill(child, signal);
  });
}
const ended = new Promise<number | null>((done) => {
  child.on("close", (code) => done(code));
});
const totals = await report(child.stdout);
const code = await ended;
clearTimeout(limit);
kill(child, "SIGKILL");
// tap can fail without a failed assertion: a bail-out, a crash of its own, our time limit.
if (totals.failed === 0 && (late || code !== 0)) totals.failed = 1;
finish(totals);
