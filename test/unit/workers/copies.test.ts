import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { Readers } from "../../../src/workers/readers.ts";
import { WorkerRecords } from "../../../src/workers/records.ts";
import { type Change, Copies, sharedMaps } from "../../../src/workers/replicas.ts";

t.test("what is set in one turn goes out once, and settled waits until all know", async (t) => {
  const sent: (readonly Change[])[] = [];
  const known = Promise.withResolvers<void>();
  const share = sharedMaps(new Copies(), (changes) => {
    sent.push(changes);
    return known.promise;
  });
  const map = share<number>("grants", 10);
  map.set("a", 1);
  map.set("b", 2);
  map.delete("a");
  map.delete("never there");
  let settled = false;
  const settling = map.settled().then(() => (settled = true));
  t.equal(sent.length, 1);
  t.same(sent[0], [
    ["grants", 10, "a", 1],
    ["grants", 10, "b", 2],
    ["grants", 10, "a", undefined],
  ]);
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(settled, false);
  known.resolve();
  await settling;
  t.equal(map.get("b"), 2);
});

t.test("a process that starts has what the others know, in the order of its use", (t) => {
  const copies = new Copies();
  copies.apply([
    ["grants", 2, "a", 1],
    ["grants", 2, "b", 2],
    ["grants", 2, "c", 3],
  ]);
  const fresh = new Copies();
  fresh.apply(copies.snapshot());
  const map = sharedMaps(fresh, async () => undefined)<number>("grants", 2);
  t.same([...map.entries()], [...copies.map("grants", 2).entries()]);
  t.equal(map.get("a"), undefined, "as many as there is room for");
  t.end();
});

const record = (checked: number) => ({
  digest: digestOf(Buffer.from("x"), "sha256"),
  mediaType: "text/plain",
  size: 1,
  checked,
});

t.test("of changes to a record that cross on their way, the one that the primary took last stands", async (t) => {
  const answers: (() => void)[] = [];
  const records = new WorkerRecords({
    get: async (_key, first) => first({ record: undefined, version: 1 }),
    put: async (_key, _record, first) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      const answer = { version: 5, failed: undefined };
      first(answer);
      return answer;
    },
    delete: async () => ({ version: 9, failed: undefined }),
  });
  t.equal(await records.get("tag"), undefined);
  const put = records.put("tag", record(2));
  t.match(records.hot("tag"), { checked: 2 }, "its own at once");
  records.changed("tag", { record: record(1), version: 4 });
  answers.shift()?.();
  await put;
  t.match(records.hot("tag"), { checked: 2 }, "another's that was earlier does not stay");
  const again = records.put("tag", record(3));
  records.changed("tag", { record: record(4), version: 6 });
  answers.shift()?.();
  await again;
  t.match(records.hot("tag"), { checked: 4 }, "and one that was later does");
  records.changed("unknown", { record: record(1), version: 7 });
  t.equal(records.hot("unknown"), undefined, "what nobody asked for here is not remembered");
});

t.test("those are told of a key's changes who have asked for it", (t) => {
  const forgotten: [string, number[]][] = [];
  const readers = new Readers<number>(2, (key, workers) => forgotten.push([key, [...workers]]));
  readers.note("a", 1);
  readers.note("a", 2);
  readers.note("b", 2);
  t.same(readers.others("a", 1), [2]);
  t.same(readers.others("c", 1), []);
  readers.note("c", 3);
  t.same(forgotten, [["b", [2]]], "who can not be told any more drops it");
  readers.died(2);
  t.same(readers.others("a"), [1]);
  t.end();
});
