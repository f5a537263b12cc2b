import t from "tap";
import { createCases } from "../../../../scripts/bench/cases/all.ts";
import type { Case } from "../../../../scripts/bench/cases/case.ts";
import { growthCases } from "../../../../scripts/bench/cases/growth.ts";
import { full } from "../../../../scripts/bench/plan.ts";
import { growthPlot } from "../../../../scripts/bench/plot/growth.ts";
import { ratioPlot } from "../../../../scripts/bench/plot/ratios.ts";
import { logScale } from "../../../../scripts/bench/plot/scale.ts";
import { element, text } from "../../../../scripts/bench/plot/svg.ts";
import type { Sample } from "../../../../scripts/bench/round.ts";
import { sample } from "./sample.ts";

const GiB = 1024 ** 3;

function costs(cases: readonly Case[], entrepot: number): Sample[] {
  return cases.flatMap(({ name }) => [
    sample(name, "entrepot", 1, { seconds: 1, bytes: GiB, cpuSeconds: entrepot, peakRss: 100 * 2 ** 20 }),
    sample(name, "nginx", 1, { seconds: 1, bytes: GiB, cpuSeconds: 1, peakRss: 20 * 2 ** 20 }),
  ]);
}

function count(picture: string, pattern: RegExp): number {
  return picture.match(pattern)?.length ?? 0;
}

t.test("every element of a picture ends, and text cannot become markup", (t) => {
  t.equal(element("line", { x1: 1.23456, y1: undefined }), '<line x1="1.23"/>');
  t.equal(element("g", { class: 'a"b' }, "<x/>"), '<g class="a&quot;b"><x/></g>');
  t.equal(text(0, 1, "a < b & c"), '<text x="0" y="1">a &lt; b &amp; c</text>');
  t.end();
});

t.test("a logarithmic scale has its ticks at powers, all of them on it", (t) => {
  const loose = logScale([0.4, 5], [0, 400], 2);
  t.strictSame(loose.ticks, [0.25, 0.5, 1, 2, 4, 8]);
  t.equal(loose(0.25), 0);
  t.equal(loose(8), 400);
  const tight = logScale([10, 200_000], [0, 100], 10, { most: 5, tight: true });
  t.strictSame(tight.ticks, [10, 100, 1_000, 10_000, 100_000]);
  t.equal(tight(200_000), 100);
  t.strictSame(logScale([1, 1], [0, 1], 2).ticks, [1, 2], "a single value");
  t.end();
});

t.test("the plot of ratios has a row for each case with a CPU figure, in both of a page's colours", (t) => {
  const cases = createCases(full).filter(({ name }) => name === "warm-blob-4" || name === "tunnel");
  const picture = ratioPlot(cases, costs(cases, 0.5));
  t.equal(count(picture, />0\.50</g), 2);
  t.match(picture, "prefers-color-scheme:dark");
  t.match(picture, />warm-blob-4</);
  t.equal(count(picture, /<circle /g), 2 + 2 * 2, "the legend, and each contender in each case");
  t.equal(ratioPlot(cases, []), "", "without samples there is nothing to draw");
  t.end();
});

t.test("the plot of growth has a curve of CPU and of RSS for each series and contender", (t) => {
  const cases = growthCases(full);
  const picture = growthPlot(cases, costs(cases, 0.5));
  t.equal(count(picture, /<path [^>]*class="c-entrepot line"/g), 6);
  t.equal(count(picture, /<path [^>]*class="c-nginx line"/g), 6);
  t.notMatch(picture, "NaN");
  t.equal(growthPlot(cases, []), "");
  t.end();
});
