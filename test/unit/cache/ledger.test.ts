import t from "tap";
import { Ledger } from "../../../src/cache/ledger.ts";
import { type Digest, digestOf } from "../../../src/core/digest.ts";

const names = Array.from({ length: 5 }, (_, index) => digestOf(Buffer.from(String(index)))) as [
  Digest,
  Digest,
  Digest,
  Digest,
  Digest,
];

function order(ledger: Ledger): number[] {
  return [...ledger.oldest()].map(([digest]) => names.indexOf(digest));
}

void t.test("uses order it, sizes add up", (t) => {
  const ledger = new Ledger();
  ledger.used(names[0], 10, 1);
  ledger.used(names[1], 20, 2);
  ledger.used(names[0], 11, 3);
  t.same(order(ledger), [1, 0]);
  t.equal(ledger.bytes, 31);
  t.same(ledger.newest(), [names[0], { size: 11, lastUsed: 3 }]);
  ledger.removed(names[0]);
  ledger.removed(names[0]);
  t.equal(ledger.bytes, 20);
  t.equal(ledger.count, 1);
  t.equal(ledger.newest(), undefined);
  t.end();
});

void t.test("what an earlier run left is older than what this one used", async (t) => {
  const ledger = new Ledger();
  ledger.used(names[3], 1, 9000);
  ledger.used(names[4], 1, 9000);
  const stored = (index: 0 | 1 | 2 | 3, lastUsed: number) => ({
    digest: names[index],
    size: 10,
    lastUsed: lastUsed * 60_000,
  });
  async function* found() {
    yield* [stored(1, 5000), stored(0, 2000), stored(3, 1), stored(2, 8000.5)];
  }
  await ledger.load(found());
  t.same(order(ledger), [0, 1, 2, 3, 4]);
  t.equal(ledger.bytes, 32);
  ledger.used(names[1], 10, 9001);
  t.same(order(ledger), [0, 2, 3, 4, 1]);
  ledger.removed(names[0]);
  t.equal(ledger.count, 4);
  t.equal(ledger.bytes, 22);
});
