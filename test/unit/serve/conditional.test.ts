import t from "tap";
import { planAnswer } from "../../../src/serve/conditional.ts";

const etag = `"sha256:${"a".repeat(64)}"`;
const bare = etag.slice(1, -1);

t.test("conditional and range requests", async (t) => {
  const cases: [headers: Record<string, string>, size: number | undefined, expected: object][] = [
    [{}, 100, { status: 200 }],
    [{ "if-none-match": etag }, 100, { status: 304 }],
    [{ "if-none-match": `"other", W/${etag}` }, 100, { status: 304 }],
    [{ "if-none-match": bare }, 100, { status: 304 }],
    [{ "if-none-match": "*" }, 100, { status: 304 }],
    [{ "if-none-match": '"other"' }, 100, { status: 200 }],
    [{ range: "bytes=0-9" }, 100, { status: 206, range: { first: 0, last: 9 } }],
    [{ range: "bytes=90-" }, 100, { status: 206, range: { first: 90, last: 99 } }],
    [{ range: "bytes=-10" }, 100, { status: 206, range: { first: 90, last: 99 } }],
    [{ range: "bytes=90-900" }, 100, { status: 206, range: { first: 90, last: 99 } }],
    [{ range: "bytes=100-" }, 100, { status: 416 }],
    [{ range: "bytes=0-1,5-6" }, 100, { status: 200 }],
    [{ range: "nonsense" }, 100, { status: 200 }],
    [{ range: "bytes=9-1" }, 100, { status: 200 }],
    [{ range: "bytes=0-9", "if-range": etag }, 100, { status: 206, range: { first: 0, last: 9 } }],
    [{ range: "bytes=0-9", "if-range": '"old"' }, 100, { status: 200 }],
    [{ range: "bytes=0-9", "if-range": "Wed, 21 Oct 2015 07:28:00 GMT" }, 100, { status: 200 }],
    [{ range: "bytes=0-9" }, undefined, { status: 200 }],
    [{ range: "bytes=0-9", "if-none-match": etag }, 100, { status: 304 }],
  ];
  for (const [headers, size, expected] of cases) {
    t.same(planAnswer(headers, etag, size), expected, JSON.stringify(headers));
  }
});
