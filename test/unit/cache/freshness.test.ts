import t from "tap";
import { judgeTag, mayServeStale } from "../../../src/cache/freshness.ts";
import { digestOf } from "../../../src/core/digest.ts";

const record = { digest: digestOf(Buffer.from("x")), mediaType: "application/test", size: 1, checked: 1_000_000 };

for (const [age, ttl, verdict] of [
  [0, 0, "expired"],
  [0, 1, "fresh"],
  [599, 600, "fresh"],
  [600, 600, "expired"],
  [-1, 600, "expired"],
] as const) {
  void t.test(`a tag confirmed ${age} ms ago with a time of ${ttl} ms is ${verdict}`, (t) => {
    t.equal(judgeTag({ record, ttl, now: record.checked + age }), verdict);
    t.end();
  });
}

void t.test("an unknown tag is absent, and never stale", (t) => {
  t.equal(judgeTag({ record: undefined, ttl: 600, now: 0 }), "absent");
  t.notOk(mayServeStale({ record: undefined, ttl: 600, now: 0 }, 1e9));
  t.end();
});

void t.test("stale is bounded, from the end of its time on", (t) => {
  t.ok(mayServeStale({ record, ttl: 100, now: record.checked + 599 }, 500));
  t.notOk(mayServeStale({ record, ttl: 100, now: record.checked + 600 }, 500));
  t.end();
});
