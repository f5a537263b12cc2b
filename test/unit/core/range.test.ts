import fc from "fast-check";
import t from "tap";
import { contentRange, parseContentRange, parseRange, resolveRange } from "../../../src/core/range.ts";

t.test("one range of bytes is read", (t) => {
  t.strictSame(parseRange("bytes=0-0"), { kind: "from", first: 0, last: 0 });
  t.strictSame(parseRange("bytes=5-"), { kind: "from", first: 5, last: undefined });
  t.strictSame(parseRange("bytes=5-9"), { kind: "from", first: 5, last: 9 });
  t.strictSame(parseRange("Bytes = 5 - 9 "), { kind: "from", first: 5, last: 9 });
  t.strictSame(parseRange("bytes=-7"), { kind: "suffix", length: 7 });
  t.end();
});

t.test("what is no single range means the whole", (t) => {
  const wrong = [
    undefined,
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=9-5",
    "bytes=a-b",
    "bytes=--5",
    "bytes=5--",
    "bytes=0x1-2",
    "bytes=1.5-2",
    "bytes=-1-2",
    "bytes=0-1,3-4",
    "bytes=0-0,-1",
    "items=0-5",
    `bytes=0-${"9".repeat(16)}`,
    `bytes=${"9".repeat(400)}-`,
    "none",
  ];
  for (const text of wrong) t.equal(parseRange(text), undefined, String(text));
  t.end();
});

t.test("a range is fitted to the size, or cannot be", (t) => {
  const resolve = (text: string, size: number): unknown => {
    const spec = parseRange(text);
    return spec === undefined ? "whole" : resolveRange(spec, size);
  };
  t.strictSame(resolve("bytes=0-", 10), { first: 0, last: 9 });
  t.strictSame(resolve("bytes=9-", 10), { first: 9, last: 9 });
  t.strictSame(resolve("bytes=3-4", 10), { first: 3, last: 4 });
  t.strictSame(resolve("bytes=3-99", 10), { first: 3, last: 9 });
  t.strictSame(resolve("bytes=-3", 10), { first: 7, last: 9 });
  t.strictSame(resolve("bytes=-99", 10), { first: 0, last: 9 });
  for (const text of ["bytes=10-", "bytes=10-12", "bytes=-0"]) t.equal(resolve(text, 10), "unsatisfiable", text);
  for (const text of ["bytes=0-", "bytes=-1"]) t.equal(resolve(text, 0), "unsatisfiable", text);
  t.end();
});

t.test("a range that resolves lies inside the body", (t) => {
  const position = fc.nat({ max: 50 });
  const optional = fc.option(position, { nil: "" });
  fc.assert(
    fc.property(optional, optional, position, (from, to, size) => {
      const spec = parseRange(`bytes=${from}-${to}`);
      const range = spec === undefined ? "unsatisfiable" : resolveRange(spec, size);
      return range === "unsatisfiable" || (range.first >= 0 && range.first <= range.last && range.last < size);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseRange(text);
      parseContentRange(text);
    }),
  );
  t.end();
});

t.test("Content-Range is written and read", (t) => {
  t.equal(contentRange({ first: 2, last: 5 }, 10), "bytes 2-5/10");
  t.strictSame(parseContentRange("bytes 2-5/10"), { first: 2, last: 5, size: 10 });
  t.strictSame(parseContentRange(" bytes 2-5/* "), { first: 2, last: 5, size: undefined });
  const wrong = [
    undefined,
    "",
    "bytes */10",
    "bytes 5-2/10",
    "bytes 2-10/10",
    "bytes 2-/10",
    "items 2-5/10",
    "bytes=2-5/10",
  ];
  for (const text of wrong) t.equal(parseContentRange(text), undefined, String(text));
  t.end();
});
