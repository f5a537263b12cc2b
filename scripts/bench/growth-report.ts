import type { Case, Point } from "./cases/case.ts";
import { size } from "./cases/figures.ts";
import { contenderNames, titles } from "./contenders/contender.ts";
import { capacity } from "./capacity.ts";
import { type Findings, heading, problems, tableLine, text } from "./report.ts";
import { type Row, summariseFigures } from "./rows.ts";

const names: Readonly<Record<Point["series"], string>> = {
  clients: "Clients that pull one blob at the same time",
  count: "Blobs in the cache",
  size: "Size of the blob",
};

/** What a thing more costs, in Markdown. */
export function growthReport(findings: Findings): string {
  const { cases } = findings;
  const machines = capacity(findings);
  const series = Object.keys(names) as Point["series"][];
  return [
    ...heading("What it costs as it grows", findings),
    ...series.flatMap((each) => table(each, cases, findings)),
    ...(machines.length === 0 ? [] : ["## What a machine serves", "", ...machines]),
    ...problems(findings),
  ].join("\n");
}

function table(series: Point["series"], cases: readonly Case[], { samples }: Findings): string[] {
  const points = cases.flatMap((each) => (each.point?.series === series ? [{ x: each.point.x, each }] : []));
  const rows = points.map(({ x, each }) => ({ x, figures: summariseFigures(each, samples) }));
  const shown = contenderNames.filter((name) =>
    rows.some(({ figures }) => figures.some((row) => row.values.has(name))),
  );
  const figures = rows[0]?.figures ?? [];
  if (shown.length === 0) return [];
  const columns = figures.flatMap((figure, index) => shown.map((name) => ({ figure, index, name })));
  const heads = [series, ...columns.map(({ figure, name }) => `${titles[name]}: ${label(figure)}`)];
  return [
    `## ${names[series]}`,
    "",
    tableLine(heads),
    tableLine(heads.map(() => "---:")),
    ...rows.map(({ x, figures: found }) =>
      tableLine([
        series === "size" ? size(x) : String(x),
        ...columns.map(({ index, name }) => text(found[index]?.values.get(name))),
      ]),
    ),
    "",
  ];
}

function label({ figure }: Row): string {
  return `${figure.name} (${figure.unit})`;
}
