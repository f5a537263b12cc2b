import t from "tap";
import { createRecent } from "../../../src/observe/recent.ts";
import type { Trace } from "../../../src/observe/trace.ts";

function trace(more: Partial<Trace> = {}): Trace {
  return { door: "connect", client: "192.0.2.1", method: "GET", ...more };
}

t.test("keeps the last ones, newest first", (t) => {
  let now = 1000;
  const recent = createRecent({ now: () => now }, 3);
  t.strictSame(recent.list(), []);
  for (let status = 200; status < 205; status++, now++) recent.add(trace({ status }));
  t.match(recent.list(), [
    { number: 5, at: 1004, status: 204 },
    { number: 4, at: 1003, status: 203 },
    { number: 3, at: 1002, status: 202 },
  ]);
  t.equal(recent.list().length, 3);
  recent.add(trace({ kind: "own" }));
  t.equal(recent.list()[0]?.status, 204, "what was asked of ourselves is no news");
  t.end();
});

t.test("shows them without queries and of bounded length", (t) => {
  const recent = createRecent({ now: () => 0 });
  const given = trace({ path: "/v2/?secret", repository: "r".repeat(70_000), origin: "o".repeat(70_000) });
  recent.add(given);
  const [kept] = recent.list();
  t.equal(kept?.path, "/v2/");
  t.ok(JSON.stringify(kept).length < 1000);
  t.end();
});
