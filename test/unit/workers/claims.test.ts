import fc from "fast-check";
import t from "tap";
import { type Claim, Claims } from "../../../src/workers/claims.ts";

t.test("the first does the work, the others get what it came to", async (t) => {
  const claims = new Claims<number>();
  t.same(await claims.claim(1, "key"), { lead: true });
  const others = [claims.claim(2, "key"), claims.claim(3, "key")];
  t.same(await claims.claim(2, "another"), { lead: true });
  claims.settle(2, "key", { value: "not his to settle" });
  claims.settle(1, "key", { value: "done" });
  for (const claim of await Promise.all(others)) t.same(claim, { lead: false, settled: { value: "done" } });
  t.same(await claims.claim(3, "key"), { lead: true }, "who comes later does it anew");
});

t.test(
  "whatever workers do and whenever they die: one does the work, and nobody who lives waits for ever",
  async (t) => {
    const acts = fc.array(
      fc.tuple(fc.constantFrom("claim", "settle", "abandon", "die"), fc.integer({ min: 0, max: 3 })),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(acts, async (taken) => {
        const claims = new Claims<number>();
        const owners = new Set<number>();
        const waiting = new Map<number, number>();
        const dead = new Set<number>();
        const got = (worker: number) => (claim: Claim) => {
          waiting.set(worker, (waiting.get(worker) ?? 1) - 1);
          if (dead.has(worker)) throw new Error("A dead worker is answered.");
          if (claim.lead) owners.add(worker);
        };
        const places = [0, 1, 2, 3];
        let born = 4;
        for (const [act, place] of taken) {
          const worker = places[place] as number;
          if (act === "claim" && !owners.has(worker)) {
            waiting.set(worker, (waiting.get(worker) ?? 0) + 1);
            void claims.claim(worker, "key").then(got(worker));
          } else if (act === "die") {
            dead.add(worker);
            owners.delete(worker);
            waiting.delete(worker);
            claims.died(worker);
            places[place] = born;
            born += 1;
          } else if (owners.delete(worker)) {
            if (act === "settle") claims.settle(worker, "key", { value: 1 });
            else claims.abandon(worker, "key");
          }
          await new Promise((resolve) => setImmediate(resolve));
          if (owners.size > 1) throw new Error("Two do the work.");
          const waits = [...waiting.values()].some((count) => count > 0);
          if (waits && owners.size === 0) throw new Error("One waits for nobody.");
        }
      }),
      { numRuns: 60 },
    );
    t.pass();
  },
);
