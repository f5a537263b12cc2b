import os from "node:os";
import { parseArgs } from "node:util";
import { createCases } from "./cases/all.ts";
import type { Case } from "./cases/case.ts";
import { growthCases } from "./cases/growth.ts";
import { type ContenderName, contenderNames } from "./contenders/contender.ts";
import { type Plan, full, quick } from "./plan.ts";

/** What --quick takes where nothing else is said. */
const quickCases = [
  "warm-blob-4",
  "warm-blob-64",
  "small-blobs",
  "ranges",
  "manifest-hit",
  "fresh-connection",
  "cold-blob",
  "paced-cold-blob",
  "herd-12",
  "tunnel",
  "push-through",
  "image-pull",
  "idle-connections",
];
/** Likewise, and --growth. */
const quickContenders: readonly ContenderName[] = ["entrepot", "nginx", "direct"];

const usage = `npm run bench -- [options]
  --quick              less of everything, under two minutes on a quiet machine; prints and writes no file
  --growth             in place of the cases, costs against clients, number of blobs and size of a blob
  --rounds N           measured rounds (full ${full.rounds}, quick ${quick.rounds}, growth 3); those that no target is about: ${full.othersRounds} of them
  --minutes N          no round is begun that would end later (full ${full.roundsEnd / 60})
  --cases a,b          only these cases: bench/README.md has their names
                       (--quick without it: all but those that take long or need docker-registry)
  --contenders a,b     only these, in every round: ${contenderNames.join(", ")}
                       (--quick and --growth without it: ${quickContenders.join(", ")})
  --no-pin             let the kernel place the processes
  --profile DIR        CPU profiles of Entrepot and http-mitm-proxy go there; their figures suffer
  --dir DIR            where the run's directory is made (the system's own for temporary files)
  --out FILE           where the report goes, its plot beside it (a full run: bench/RESULTS.md, or GROWTH.md)
`;

export interface Order {
  readonly growth: boolean;
  readonly plan: Plan;
  readonly cases: readonly Case[];
  readonly contenders: readonly ContenderName[];
  readonly pin: boolean;
  readonly profile: string | undefined;
  readonly directory: string;
  /** Whether it is a full run of everything, whose findings the repository keeps. */
  readonly whole: boolean;
  /** undefined: the report is only printed. */
  readonly out: string | undefined;
}

/** A string is what to print in place of a run. Throws for what is no option. */
export function readCommandLine(args: readonly string[]): Order | string {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      quick: { type: "boolean", default: false },
      growth: { type: "boolean", default: false },
      rounds: { type: "string" },
      minutes: { type: "string" },
      cases: { type: "string" },
      contenders: { type: "string" },
      pin: { type: "boolean", default: true },
      profile: { type: "string" },
      dir: { type: "string", default: os.tmpdir() },
      out: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { growth } = values;
  if (values.help) return usage;
  const plan = planOf(values);
  const all = growth ? growthCases(plan) : createCases(plan);
  const names = all.map(({ name, point }) => point?.series ?? name);
  const few = values.quick && !growth ? quickCases.join() : undefined;
  const cases = chosen("--cases", values.cases ?? few, names);
  const contenders = chosen("--contenders", values.contenders, contenderNames);
  const whole = !values.quick && values.profile === undefined && !values.cases && (growth || !values.contenders);
  return {
    growth,
    plan,
    cases: all.filter((_, index) => cases.includes(names[index] ?? "")),
    contenders: values.contenders === undefined && (growth || values.quick) ? quickContenders : contenders,
    pin: values.pin,
    profile: values.profile,
    directory: values.dir,
    whole: whole && values.out === undefined,
    out: values.out ?? (whole ? `bench/${growth ? "GROWTH" : "RESULTS"}.md` : undefined),
  };
}

interface Amounts {
  readonly quick: boolean;
  readonly growth: boolean;
  readonly rounds?: string | undefined;
  readonly minutes?: string | undefined;
  readonly contenders?: string | undefined;
}

function planOf({ quick: isQuick, growth, rounds, minutes, contenders }: Amounts): Plan {
  const base = isQuick ? quick : full;
  const plan: Plan = {
    ...base,
    rounds: Number(rounds ?? (growth ? Math.min(3, base.rounds) : base.rounds)),
    // Who is named is wanted.
    othersRounds: contenders === undefined ? base.othersRounds : Number.POSITIVE_INFINITY,
    roundsEnd: 60 * Number(minutes ?? base.roundsEnd / 60),
  };
  if (!Number.isInteger(plan.rounds) || plan.rounds < 1)
    throw new Error(`--rounds ${rounds}: a whole number from 1 on.`);
  if (!(plan.roundsEnd > 0)) throw new Error(`--minutes ${minutes}: a number above 0.`);
  return plan;
}

function chosen<Name extends string>(option: string, value: string | undefined, names: readonly Name[]): Name[] {
  if (value === undefined) return [...names];
  const wanted = value.split(",");
  const unknown = wanted.filter((name) => !names.some((each) => each === name));
  if (unknown.length > 0) throw new Error(`${option}: ${unknown.join()} is none of ${[...new Set(names)].join(", ")}.`);
  return names.filter((name) => wanted.includes(name));
}
