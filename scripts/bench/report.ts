import type { Case } from "./cases/case.ts";
import { type ContenderName, contenderNames, titles } from "./contenders/contender.ts";
import type { Machine } from "./machine.ts";
import { GiB } from "./plan.ts";
import type { Sample } from "./round.ts";
import { type Row, summariseFigures } from "./rows.ts";
import type { Summary } from "./stats.ts";
import { type Verdict, verdicts } from "./verdict.ts";

export interface Findings {
  readonly command: string;
  readonly machine: Machine;
  /** Name and version of each contender and of what the run stands on. */
  readonly versions: readonly string[];
  /** How the processes shared the CPUs. */
  readonly pinning: string;
  readonly cases: readonly Case[];
  readonly samples: readonly Sample[];
  /** What could not be measured, and why. */
  readonly problems: readonly string[];
  readonly absent: readonly string[];
  readonly seconds: number;
  /** Name of the file beside the report that has its plot; undefined where there is none. */
  readonly plot: string | undefined;
}

/** The whole report in Markdown. */
export function report(findings: Findings): string {
  const { cases, samples } = findings;
  return [
    ...heading("Bench results", findings),
    ...targets(cases, samples),
    ...cases.flatMap((measured) => section(measured, samples)),
    ...problems(findings),
  ].join("\n");
}

/** What was run on what. */
export function heading(title: string, findings: Findings): string[] {
  const { machine, samples } = findings;
  const rounds = new Set(samples.map((sample) => sample.round)).size;
  return [
    `# ${title}`,
    "",
    `\`${findings.command}\`: ${rounds} interleaved rounds after a warm-up, ${Math.round(findings.seconds)} s${fewer(samples, rounds)}. Each figure is the median of the`,
    "rounds with [smallest to largest]; a ratio is the median of the rounds' ratios.",
    "What each contender does and is spared: [README.md](README.md).",
    "",
    `- Machine: ${machine.cores} cores (${machine.flags.join(" ")}), ${Math.round(machine.memory / GiB)} GiB, Linux ${machine.kernel}. ${findings.pinning}`,
    `- Versions: ${findings.versions.join(", ")}.`,
    ...tlsLines(samples),
    ...findings.absent.map((who) => `- Not measured: ${who}.`),
    "",
    ...(findings.plot === undefined ? [] : [`![${title}](${findings.plot})`, ""]),
  ];
}

/** Who took part in some of the rounds only. */
function fewer(samples: readonly Sample[], rounds: number): string {
  const last = new Map<ContenderName, number>();
  for (const { contender, round } of samples) last.set(contender, Math.max(round, last.get(contender) ?? 0));
  const early = [...last].filter(([, round]) => round < rounds);
  const whom = early.map(([name]) => titles[name]).join(", ");
  return early.length === 0 ? "" : `; the first ${Math.max(...early.map(([, round]) => round))} alone: ${whom}`;
}

export function problems(findings: Findings): string[] {
  if (findings.problems.length === 0) return [];
  return ["## What did not go as planned", "", ...findings.problems.map((problem) => `- ${problem}`), ""];
}

/** What is expected, in one table. */
function targets(cases: readonly Case[], samples: readonly Sample[]): string[] {
  const rows = cases.flatMap((each) =>
    summariseFigures(each, samples).flatMap((row) =>
      verdicts(row)
        .filter(({ kept }) => kept !== undefined)
        .map((verdict) =>
          tableLine([
            each.name,
            `${verdict.of}${verdict.of === "" ? ratioTitle(each) : ""}`.trim(),
            label(row),
            verdict.bound,
            text(verdict.found),
            word(verdict),
          ]),
        ),
    ),
  );
  if (rows.length === 0) return [];
  const heads = ["case", "of", "figure", "expected", "found", ""];
  return ["## Targets", "", tableLine(heads), tableLine(heads.map(() => "---")), ...rows, ""];
}

function section(measured: Case, samples: readonly Sample[]): string[] {
  const rows = summariseFigures(measured, samples);
  const shown = contenderNames.filter((name) => rows.some((row) => row.values.has(name)));
  if (shown.length === 0) return [];
  const heads = ["figure", ...shown.map((name) => titles[name]), ratioTitle(measured), "expected"];
  const cells = (row: Row): string[] => [
    label(row),
    ...shown.map((name) => text(row.values.get(name))),
    text(row.ratio),
    verdicts(row)
      .map((verdict) => `${verdict.of}${verdict.bound}: ${word(verdict)}`)
      .join("; "),
  ];
  const absent = Object.entries(measured.without).map(([name, why]) => `${titles[name as ContenderName]}: ${why}`);
  return [
    `## ${measured.title}`,
    "",
    tableLine(heads),
    tableLine(heads.map((_, index) => (index === 0 ? "---" : "---:"))),
    ...rows.map((row) => tableLine(cells(row))),
    "",
    ...(absent.length > 0 ? [`Not in it: ${absent.join("; ")}.`, ""] : []),
  ];
}

function ratioTitle({ yardstick }: Case): string {
  return `Entrepot / ${titles[yardstick]}`;
}

export function tableLine(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

export function label({ figure }: Row): string {
  return figure.unit === "x" ? figure.name : `${figure.name} (${figure.unit})`;
}

export function word({ kept }: Verdict): string {
  if (kept === undefined) return "not measured";
  return kept ? "kept" : "**missed**";
}

export function text(summary: Summary | undefined): string {
  if (!summary) return "-";
  return `${short(summary.median)} [${short(summary.min)} to ${short(summary.max)}]`;
}

/** Three significant digits. */
export function short(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(Math.abs(value) < 0.1 ? 3 : digits);
}

function tlsLines(samples: readonly Sample[]): string[] {
  const negotiated = new Map(
    samples.filter((sample) => sample.tls !== "none").map((sample) => [sample.contender, sample.tls]),
  );
  return [...negotiated].map(([name, tls]) => `- TLS towards ${titles[name]}: ${tls}.`);
}
