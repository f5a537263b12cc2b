import type { Case } from "./cases.ts";
import { type ContenderName, titles } from "./contenders/contender.ts";
import { type Bound, type Figure, figures } from "./figures.ts";
import type { Machine } from "./machine.ts";
import { GiB } from "./plan.ts";
import type { Sample } from "./round.ts";
import { type Row, summariseFigure } from "./rows.ts";
import type { Summary } from "./stats.ts";

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
  readonly seconds: number;
}

const columns: readonly ContenderName[] = ["entrepot", "nginx", "mitm", "direct"];

/** The whole report in Markdown. */
export function report(findings: Findings): string {
  const { machine, samples } = findings;
  const rounds = new Set(samples.map((sample) => sample.round)).size;
  const lines = [
    "# Bench results",
    "",
    `\`${findings.command}\`: ${rounds} interleaved rounds after a warm-up, ${Math.round(findings.seconds)} s. Each figure is the median of the`,
    "rounds with [smallest to largest]; the last but one column is the median of the rounds' ratios Entrepot / nginx.",
    "What each contender does and is spared: [README.md](README.md).",
    "",
    `- Machine: ${machine.cores} cores (${machine.flags.join(" ")}), ${Math.round(machine.memory / GiB)} GiB, Linux ${machine.kernel}. ${findings.pinning}`,
    `- Versions: ${findings.versions.join(", ")}.`,
    ...tlsLines(samples),
    "",
  ];
  for (const measured of findings.cases) lines.push(...section(measured, samples));
  if (findings.problems.length > 0)
    lines.push("## What did not go as planned", "", ...findings.problems.map((problem) => `- ${problem}`), "");
  return lines.join("\n");
}

function section(measured: Case, samples: readonly Sample[]): string[] {
  const rows = figures
    .filter((figure) => figure.case === measured.name)
    .map((figure) => summariseFigure(figure, samples));
  const shown = columns.filter((name) => rows.some((row) => row.values.has(name)));
  const heads = ["figure", ...shown.map((name) => titles[name]), "Entrepot / nginx", "expected"];
  const cells = (row: Row): string[] => [
    label(row.figure),
    ...shown.map((name) => text(row.values.get(name))),
    text(row.ratio),
  ];
  return [
    `## ${measured.title}`,
    "",
    tableLine(heads),
    tableLine(heads.map((_, index) => (index === 0 ? "---" : "---:"))),
    ...rows.map((row) => tableLine([...cells(row), verdict(row)])),
    "",
  ];
}

function tableLine(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function label(figure: Figure): string {
  return figure.unit === "x" ? figure.name : `${figure.name} (${figure.unit})`;
}

function verdict({ figure, ratio, values }: Row): string {
  const own = values.get("entrepot");
  return [
    ...(figure.target ? [judge(figure.target, ratio)] : []),
    ...(figure.own ? [`Entrepot ${judge(figure.own, own)}`] : []),
  ].join("; ");
}

function judge(bound: Bound, found: Summary | undefined): string {
  const words = Object.entries(bound).map(([kind, value]) => `${kinds[kind] ?? kind} ${value}`);
  return found === undefined ? words.join() : `${words.join()}: ${keeps(bound, found) ? "kept" : "missed"}`;
}

const kinds: Readonly<Record<string, string>> = { atMost: "at most", atLeast: "at least", exactly: "exactly" };

function keeps(bound: Bound, { median, min, max }: Summary): boolean {
  if ("atMost" in bound) return median <= bound.atMost;
  if ("atLeast" in bound) return median >= bound.atLeast;
  return min === bound.exactly && max === bound.exactly;
}

function text(summary: Summary | undefined): string {
  if (!summary) return "-";
  return `${short(summary.median)} [${short(summary.min)} to ${short(summary.max)}]`;
}

/** Three significant digits. */
function short(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(value < 0.1 ? 3 : digits);
}

function tlsLines(samples: readonly Sample[]): string[] {
  const negotiated = new Map(samples.map((sample) => [sample.contender, sample.tls]));
  return [...negotiated].map(([name, tls]) => `- TLS towards ${titles[name]}: ${tls}.`);
}
