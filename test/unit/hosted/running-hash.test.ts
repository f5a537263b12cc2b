import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { RunningHash } from "../../../src/hosted/running-hash.ts";

const bytes = randomBytes(2_500_000);
const middle = 1_100_000;

t.test("what it did not see is read back from the file, for either algorithm", async (t) => {
  const path = join(t.testdir(), "file");
  writeFileSync(path, bytes);
  const descriptor = openSync(path, "r");
  t.teardown(() => closeSync(descriptor));
  const seen = (ranges: readonly (readonly [number, number])[]): RunningHash => {
    const hash = new RunningHash();
    for (const [first, end] of ranges) hash.add(bytes.subarray(first, end), first);
    return hash;
  };
  const cases: [string, () => RunningHash, number][] = [
    [
      "all of it",
      () =>
        seen([
          [0, middle],
          [middle, bytes.length],
        ]),
      bytes.length,
    ],
    ["its beginning", () => seen([[0, middle]]), middle],
    ["nothing", () => seen([]), 0],
    ["its end alone", () => seen([[middle, bytes.length]]), 0],
    [
      "a beginning, and what does not follow on it",
      () =>
        seen([
          [0, 1000],
          [2000, 3000],
        ]),
      1000,
    ],
  ];
  for (const [what, make, position] of cases) {
    t.equal(make().position, position, what);
    for (const algorithm of ["sha256", "sha512"] as const) {
      t.equal(await make().matches(digestOf(bytes, algorithm), descriptor, bytes.length), true, what);
      t.equal(await make().matches(digestOf(Buffer.from("x"), algorithm), descriptor, bytes.length), false, what);
    }
  }
});

t.test("one that was spoilt believes the file alone", async (t) => {
  const path = join(t.testdir(), "file");
  writeFileSync(path, bytes);
  const descriptor = openSync(path, "r");
  t.teardown(() => closeSync(descriptor));
  const hash = new RunningHash();
  hash.add(Buffer.alloc(middle), 0);
  hash.spoil();
  t.equal(await hash.matches(digestOf(bytes), descriptor, bytes.length), true);
});

t.test("a file that is shorter than it should be does not match", async (t) => {
  const path = join(t.testdir(), "file");
  writeFileSync(path, bytes.subarray(0, 10));
  const descriptor = openSync(path, "r");
  t.teardown(() => closeSync(descriptor));
  t.equal(await new RunningHash().matches(digestOf(bytes.subarray(0, 10)), descriptor, 20), false);
});
