import fc from "fast-check";
import t from "tap";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../../src/core/units.ts";

t.test("sizes in nginx's spelling and the usual ones", async (t) => {
  const cases: [string, number][] = [
    ["0", 0],
    ["1024", 1024],
    ["512b", 512],
    ["1k", 1024],
    ["512m", 536_870_912],
    ["32g", 34_359_738_368],
    ["32G", 34_359_738_368],
    ["10GiB", 10_737_418_240],
    ["10gb", 10_737_418_240],
    ["1.5t", 1_649_267_441_664],
    ["1p", 1_125_899_906_842_624],
  ];
  for (const [text, size] of cases) t.equal(parseSize(text), size, text);
});

t.test("what is no size", async (t) => {
  for (const text of [
    "",
    " ",
    "g",
    "-1",
    "+1",
    "1.5",
    "1e3",
    "10 g",
    "10x",
    "10GiBs",
    "0x10",
    "1,5g",
    "9p",
    "10g10m",
    "32ib",
  ]) {
    t.equal(parseSize(text), undefined, JSON.stringify(text));
  }
});

t.test("durations, where m is a minute and M a month", async (t) => {
  const cases: [string, number][] = [
    ["0", 0],
    ["60", 60_000],
    ["500ms", 500],
    ["60s", 60_000],
    ["1m", 60_000],
    ["1M", 2_592_000_000],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    ["1d12h", 129_600_000],
    ["2w", 1_209_600_000],
    ["60d", 5_184_000_000],
    ["1y", 31_536_000_000],
    ["1y1M1w1d1h1m1s1ms", 31_536_000_000 + 2_592_000_000 + 604_800_000 + 86_400_000 + 3_600_000 + 60_000 + 1000 + 1],
  ];
  for (const [text, duration] of cases) t.equal(parseDuration(text), duration, text);
});

t.test("what is no duration", async (t) => {
  const cases = [
    "",
    " ",
    "m",
    "-1s",
    "1.5h",
    "1H",
    "1min",
    "30m1h",
    "1h1h",
    "1h30",
    "1 h",
    "1h  30m",
    "1S",
    "1e3",
    "99999999999999",
  ];
  for (const text of cases) t.equal(parseDuration(text), undefined, JSON.stringify(text));
});

t.test("for people", async (t) => {
  t.equal(formatSize(34_359_738_368), "32GiB");
  t.equal(formatSize(512), "512B");
  t.equal(formatSize(1536), "1.5KiB");
  t.equal(formatDuration(0), "0s");
  t.equal(formatDuration(5_400_000), "1h30m");
  t.equal(formatDuration(5_184_000_000), "60d");
  t.equal(formatDuration(61_500), "1m1s500ms");
});

t.test("a duration that was formatted reads as itself", async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 10 ** 13 }),
      (duration) => parseDuration(formatDuration(duration)) === duration,
    ),
    { numRuns: 300 },
  );
});
