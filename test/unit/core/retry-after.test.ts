import t from "tap";
import { parseRetryAfter } from "../../../src/core/retry-after.ts";

const now = Date.UTC(2026, 0, 2, 3, 4, 5);

t.test("seconds and dates", async (t) => {
  const cases: [header: string | undefined, expected: number | undefined][] = [
    ["120", 120_000],
    [" 0 ", 0],
    ["Fri, 02 Jan 2026 03:05:05 GMT", 60_000],
    ["Fri, 02 Jan 2026 03:04:04 GMT", 0],
    ["Friday, 02-Jan-26 03:05:05 GMT", 60_000],
    ["Fri Jan  2 03:05:05 2026", 60_000],
    [undefined, undefined],
    ["", undefined],
    ["-5", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["2026-01-02T03:05:05Z", undefined],
    ["99999999999", undefined],
    ["Fri, 99 Foo 2026 03:05:05 GMT", undefined],
  ];
  for (const [header, expected] of cases) t.equal(parseRetryAfter(header, now), expected, String(header));
});
