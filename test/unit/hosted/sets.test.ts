import fc from "fast-check";
import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { DigestFilter } from "../../../src/hosted/digest-filter.ts";
import { byName } from "../../../src/hosted/lists.ts";
import { Smallest } from "../../../src/hosted/smallest.ts";

t.test("a filter has what was added, and hardly anything else", (t) => {
  const filter = new DigestFilter();
  const digest = (number: number) => digestOf(Buffer.from(String(number)), number % 2 === 0 ? "sha256" : "sha512");
  for (let number = 0; number < 3000; number += 1) filter.add(digest(number));
  let wrong = 0;
  for (let number = 0; number < 6000; number += 1) {
    const has = filter.mayHave(digest(number));
    if (number < 3000 && !has) wrong += 1;
    if (number >= 3000 && has) wrong += 1;
  }
  t.equal(wrong, 0);
  t.end();
});

t.test("the smallest are those of the sorted whole, whatever the order in which they come", (t) => {
  const name = fc.string({ unit: fc.constantFrom("a", "B", "b", "c", "_", "1"), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.uniqueArray(name),
      fc.nat({ max: 10 }),
      fc.option(name, { nil: undefined }),
      (names, most, after) => {
        const page = new Smallest(byName, most, after);
        for (const one of names) page.add(one);
        const sorted = names.toSorted(byName).filter((one) => after === undefined || byName(one, after) > 0);
        t.same(page.take(), { entries: sorted.slice(0, most), more: most > 0 && sorted.length > most });
      },
    ),
  );
  t.end();
});

t.test("of many names no more than a page or two are held", (t) => {
  const page = new Smallest(byName, 3, undefined);
  for (let number = 99_999; number >= 0; number -= 1) page.add(String(number).padStart(5, "0"));
  t.same(page.take(), { entries: ["00000", "00001", "00002"], more: true });
  t.end();
});
