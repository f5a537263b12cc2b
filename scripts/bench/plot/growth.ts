import type { Case, Point } from "../cases/case.ts";
import { size } from "../cases/figures.ts";
import { type ContenderName, contenderNames } from "../contenders/contender.ts";
import type { Sample } from "../round.ts";
import { summariseFigures } from "../rows.ts";
import { colours } from "./colours.ts";
import { legend } from "./legend.ts";
import { type Scale, logScale } from "./scale.ts";
import { element, picture, text } from "./svg.ts";

const width = 860;
const panel = { width: 226, height: 150, left: 62, top: 112, across: 280, down: 216 };

const series: readonly { readonly name: Point["series"]; readonly title: string; readonly base: 2 | 10 }[] = [
  { name: "clients", title: "Clients that pull at the same time", base: 2 },
  { name: "count", title: "Blobs in the cache", base: 10 },
  { name: "size", title: "Size of the blob", base: 2 },
];

interface Curve {
  readonly name: ContenderName;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Above, CPU against what grows; below, peak RSS. Both scales are logarithmic, so that flat is flat. */
export function growthPlot(cases: readonly Case[], samples: readonly Sample[]): string {
  const shown = contenderNames.filter((name) => samples.some(({ contender }) => contender === name));
  if (shown.length === 0) return "";
  const panels = series.flatMap(({ name, title, base }, column) =>
    ["CPU", "peak RSS"].flatMap((figure, row) => {
      const points = cases.filter(({ point }) => point?.series === name);
      const unit = points[0]?.figures.find((each) => each.name === figure)?.unit ?? "";
      const curves = shown.map((contender) => curve(contender, figure, points, samples));
      const x = panel.left + column * panel.across;
      const y = panel.top + row * panel.down;
      return draw(
        { x, y, base, title: row === 0 ? title : "", label: `${figure} (${unit})`, bytes: name === "size" },
        curves,
      );
    }),
  );
  return picture(
    { width, height: panel.top + panel.down + panel.height + 40 },
    "CPU and memory of warm hits against clients, number of blobs, and size of a blob",
    Object.fromEntries(shown.map((name) => [`c-${name}`, colours[name]])),
    [text(16, 26, "What a warm hit costs as things grow", { class: "ink title" }), ...legend(shown, 50), ...panels],
  );
}

function curve(name: ContenderName, figure: string, points: readonly Case[], samples: readonly Sample[]): Curve {
  const found = points.flatMap((each): (readonly [number, number])[] => {
    const row = summariseFigures(each, samples).find((candidate) => candidate.figure.name === figure);
    const median = row?.values.get(name)?.median;
    return each.point && median !== undefined && median > 0 ? [[each.point.x, median]] : [];
  });
  return { name, points: found };
}

interface Panel {
  readonly x: number;
  readonly y: number;
  readonly base: 2 | 10;
  readonly title: string;
  readonly label: string;
  /** Whether what grows is counted in bytes. */
  readonly bytes: boolean;
}

function draw(place: Panel, curves: readonly Curve[]): string[] {
  const all = curves.flatMap(({ points }) => points);
  if (all.length === 0) return [];
  const { x, y, base, bytes } = place;
  const range = (index: 0 | 1): [number, number] => {
    const values = all.map((point) => point[index]);
    return [Math.min(...values), Math.max(...values)];
  };
  const across = logScale(range(0), [x, x + panel.width], base, { most: 5, tight: true });
  const up = logScale(range(1), [y + panel.height, y], 2, { most: 6 });
  return [
    text(x, y - 24, place.title, { class: "ink strong" }),
    text(x, y - 8, place.label, { class: "quiet" }),
    ...axes(across, up, x, y, bytes),
    ...curves.flatMap(({ name, points }) => [
      element("path", {
        d: points
          .map(([px, py], index) => `${index === 0 ? "M" : "L"}${across(px).toFixed(1)} ${up(py).toFixed(1)}`)
          .join(""),
        class: `c-${name} line`,
      }),
      ...points.map(([px, py]) => element("circle", { cx: across(px), cy: up(py), r: 2.5, class: `c-${name}` })),
    ]),
  ];
}

function axes(across: Scale, up: Scale, x: number, y: number, bytes: boolean): string[] {
  return [
    ...up.ticks.flatMap((tick) => [
      element("line", { x1: x, x2: x + panel.width, y1: up(tick), y2: up(tick), class: "grid thin" }),
      text(x - 8, up(tick) + 4, tick >= 1_024 ? `${(tick / 1_000).toFixed(1)}k` : String(tick), {
        class: "quiet",
        "text-anchor": "end",
      }),
    ]),
    ...across.ticks.map((tick) =>
      text(across(tick), y + panel.height + 18, bytes ? size(tick) : short(tick), {
        class: "quiet",
        "text-anchor": "middle",
      }),
    ),
  ];
}

function short(count: number): string {
  return count >= 1_000 && count % 1_000 === 0 ? `${count / 1_000}k` : String(count);
}
