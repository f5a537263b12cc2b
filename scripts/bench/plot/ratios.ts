import type { Case } from "../cases/case.ts";
import { contenderNames } from "../contenders/contender.ts";
import type { Sample } from "../round.ts";
import { type Row, summariseFigures } from "../rows.ts";
import { colours } from "./colours.ts";
import { dot, legend } from "./legend.ts";
import { type Scale, logScale } from "./scale.ts";
import { element, picture, text } from "./svg.ts";

const width = 860;
const left = 190;
const right = 70;
const top = 92;
const rowHeight = 26;

/** CPU per unit of work in every case, in parts of what the case's yardstick takes: a dot for each contender. */
export function ratioPlot(cases: readonly Case[], samples: readonly Sample[]): string {
  const lines = cases.flatMap((each) => {
    const row = summariseFigures(each, samples).find(({ figure }) => figure.name === "CPU");
    return row && row.relative.size > 1 ? [{ case: each, row }] : [];
  });
  if (lines.length === 0) return "";
  const all = lines.flatMap(({ row }) => [...row.relative.values()].flatMap(({ min, max }) => [min, max]));
  const bottom = top + lines.length * rowHeight;
  const scale = logScale([Math.min(0.5, ...all), Math.max(2, ...all)], [left, width - right], 2);
  const shown = contenderNames.filter((name) => lines.some(({ row }) => row.relative.has(name)));
  const heading = "CPU for the same work";
  return picture(
    { width, height: bottom + 34 },
    `${heading}, Entrepot and others in parts of nginx`,
    Object.fromEntries(shown.map((name) => [`c-${name}`, colours[name]])),
    [
      text(16, 26, heading, { class: "ink title" }),
      text(
        16,
        45,
        "CPU seconds of the whole process tree per unit of work; nginx is 1, for the hosted registry docker-registry is. Left is cheaper.",
        { class: "quiet" },
      ),
      ...legend(shown, 66),
      mark(width - 158, 22),
      text(width - 150, 26, "expected of Entrepot", { class: "quiet" }),
      ...grid(scale, bottom),
      ...lines.flatMap(({ case: each, row }, index) => line(each, row, scale, top + (index + 0.5) * rowHeight)),
    ],
  );
}

function grid(scale: Scale, bottom: number): string[] {
  return scale.ticks.flatMap((tick) => {
    const x = scale(tick);
    const one = tick === 1;
    return [
      element("line", { x1: x, x2: x, y1: top, y2: bottom, class: one ? "quiet thin" : "grid thin" }),
      text(x, bottom + 18, `${tick >= 1 ? tick : `1/${1 / tick}`}`, { class: "quiet", "text-anchor": "middle" }),
    ];
  });
}

function line(each: Case, row: Row, scale: Scale, y: number): string[] {
  const ours = row.relative.get("entrepot");
  const { target } = row.figure;
  const goal = target && "atMost" in target ? target.atMost : undefined;
  const others = [...row.relative].filter(([name]) => name !== "entrepot");
  return [
    text(left - 14, y + 4, each.name, { class: "ink", "text-anchor": "end" }),
    element("line", { x1: left, x2: width - right, y1: y, y2: y, class: "grid thin" }),
    ...(goal === undefined ? [] : [mark(scale(goal), y)]),
    ...others.map(([name, { median }]) => element("circle", { cx: scale(median), cy: y, r: dot, class: `c-${name}` })),
    ...(ours
      ? [
          element("line", { x1: scale(ours.min), x2: scale(ours.max), y1: y, y2: y, class: "c-entrepot line" }),
          element("circle", { cx: scale(ours.median), cy: y, r: dot + 1.5, class: "c-entrepot" }),
          text(width - right + 14, y + 4, ours.median.toFixed(2), { class: "ink strong" }),
        ]
      : []),
  ];
}

/** What is expected of Entrepot: at most here. */
function mark(x: number, y: number): string {
  return element("path", { d: `M${x} ${y - 9}V${y + 9}`, class: "ink line" });
}
