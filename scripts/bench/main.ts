/** npm run bench: Entrepot beside others at the same work, in one run. bench/README.md says what is measured and how. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { createCases } from "./cases/all.ts";
import { type ContenderName, contenderNames } from "./contenders/contender.ts";
import { nginxVersion } from "./contenders/nginx.ts";
import { describeMachine } from "./machine.ts";
import { place } from "./placing.ts";
import { type Plan, full, quick } from "./plan.ts";
import { killAll } from "./processes.ts";
import { report } from "./report.ts";
import { run } from "./run.ts";

const quickContenders: readonly ContenderName[] = ["entrepot", "nginx", "direct"];
const usage = `npm run bench -- [options]
  --quick              less of everything, under two minutes; prints and writes no file
  --rounds N           measured rounds (full ${full.rounds}, quick ${quick.rounds})
  --cases a,b          only these cases: see bench/README.md
  --contenders a,b     only these: ${contenderNames.join(", ")}
                       (--quick without it: ${quickContenders.join(", ")})
  --no-pin             let the kernel place the processes
  --profile DIR        CPU profiles of Entrepot and http-mitm-proxy go there; their figures suffer
  --dir DIR            where the run's directory is made (the system's own for temporary files)
  --out FILE           where the report goes (a full run: bench/RESULTS.md)`;

const { values } = parseArgs({
  allowNegative: true,
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    cases: { type: "string" },
    contenders: { type: "string" },
    pin: { type: "boolean", default: true },
    profile: { type: "string" },
    dir: { type: "string", default: os.tmpdir() },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) process.stdout.write(`${usage}\n`);
else
  process.exitCode = await bench().catch((error: unknown) =>
    complain(error instanceof Error ? error.message : String(error)),
  );

async function bench(): Promise<number> {
  const missing = ["nginx", "openssl", ...(values.pin ? ["taskset"] : [])].filter((command) => !installed(command));
  if (missing.length > 0)
    return complain(`Not found: ${missing.join(", ")}. On Debian: apt-get install nginx openssl util-linux`);
  const base = values.quick ? quick : full;
  const plan: Plan = { ...base, rounds: values.rounds === undefined ? base.rounds : Number(values.rounds) };
  if (!Number.isInteger(plan.rounds) || plan.rounds < 1)
    return complain(`--rounds ${values.rounds}: a whole number from 1 on.`);
  const cases = createCases(plan).filter((each) => values.cases?.split(",").includes(each.name) ?? true);
  const chosen = values.contenders?.split(",") ?? (values.quick ? quickContenders : contenderNames);
  const contenders = contenderNames.filter((name) => chosen.includes(name));
  if (cases.length === 0 || contenders.length === 0) return complain(usage);

  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => (stop.signal.aborted ? process.exit(1) : stop.abort(new Error(`Ended by ${name}.`))));
  }
  process.once("exit", killAll);
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(plan.runLimit)]);
  const started = performance.now();
  const say = (line: string): void =>
    void process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0)} s: ${line}\n`);
  const profileDirectory = values.profile === undefined ? undefined : path.resolve(values.profile);
  const result = await run({
    plan,
    cases,
    contenders,
    base: values.dir,
    pin: values.pin,
    profileDirectory,
    signal,
    say,
  });
  const text = report({
    ...result,
    cases,
    command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
    machine: describeMachine(),
    versions: [...result.versions, `upstream nginx ${nginxVersion()}`],
    pinning: place(values.pin).words,
    seconds: (performance.now() - started) / 1000,
  });
  process.stdout.write(text);
  const whole =
    !values.quick && values.profile === undefined && values.cases === undefined && values.contenders === undefined;
  const out = values.out ?? (whole ? path.resolve(import.meta.dirname, "../../bench/RESULTS.md") : undefined);
  if (out !== undefined) writeFileSync(out, text);
  return result.problems.length === 0 ? 0 : 1;
}

function installed(command: string): boolean {
  const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  return spawnSync(command, ["--version"], { stdio: "ignore", env: { PATH } }).error === undefined;
}

function complain(text: string): number {
  process.stderr.write(`${text}\n`);
  return 2;
}
