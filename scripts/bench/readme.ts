import { titles } from "./contenders/contender.ts";
import { capacity } from "./capacity.ts";
import { type Findings, label, short, tableLine, word } from "./report.ts";
import { summariseFigures } from "./rows.ts";
import { verdicts } from "./verdict.ts";

/** Between these lines of README.md stands what the last full run found. */
export const benchMarkers = {
  begin: "<!-- bench: made by npm run bench -->",
  end: "<!-- end of bench -->",
} as const;

/** Likewise of `--growth`. */
export const growthMarkers = {
  begin: "<!-- growth: made by npm run bench -- --growth -->",
  end: "<!-- end of growth -->",
} as const;

/** Every expectation and what was found, with the plot. `plot`: its path from the README. */
export function readmePart({ cases, samples, machine, versions }: Omit<Findings, "plot">, plot: string): string {
  const rows = cases.flatMap((each) =>
    summariseFigures(each, samples).flatMap((row) =>
      verdicts(row)
        .filter(({ found }) => found !== undefined)
        .map((verdict) => {
          const of = verdict.of === "" ? `Entrepot / ${titles[each.yardstick]}` : verdict.of.trim();
          const found = verdict.found ? short(verdict.found.median) : "";
          return tableLine([`\`${each.name}\``, label(row), of, found, verdict.bound, word(verdict)]);
        }),
    ),
  );
  const heads = ["work", "figure", "of", "found", "expected", ""];
  return [
    `On ${machine.cores} cores, one of them for whoever is measured; ${versions.join(", ")}. [bench/README.md](bench/README.md) says what each work is.`,
    "",
    `![CPU for the same work](${plot})`,
    "",
    tableLine(heads),
    tableLine(heads.map((_, index) => (index === 3 ? "---:" : "---"))),
    ...rows,
    "",
  ].join("\n");
}

/** What a machine serves, and how the costs grow. `plot`: its path from the README. */
export function growthPart(findings: Omit<Findings, "plot">, plot: string): string {
  return [...capacity(findings), `![CPU and memory as clients, blobs and their sizes grow](${plot})`, ""].join("\n");
}
