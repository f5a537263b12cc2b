import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { boundYoungGeneration } from "../../../src/cli/young-generation.ts";

const MiB = 1024 * 1024;

t.test("it may grow up to the limit, and again once it has shrunk", (t) => {
  let size = 0;
  let collected: () => void = () => undefined;
  const factors: number[] = [];
  boundYoungGeneration(16 * MiB, {
    size: () => size,
    growBy: (factor) => factors.push(factor),
    onCollected: (listener) => (collected = listener),
  });
  for (const mebibytes of [2, 8, 16, 16, 32, 2, 2, 16]) {
    size = mebibytes * MiB;
    collected();
  }
  t.same(factors, [1, 2, 1]);
  t.end();
});

/** Bytes of the young generation after work of which much survives. */
const program = `
  const { getHeapSpaceStatistics } = await import("node:v8");
  const kept = [];
  for (let turn = 0; turn < 400; turn += 1) {
    for (let each = 0; each < 4000; each += 1) kept[(turn * 4000 + each) % 400_000] = { each, more: [turn] };
    await new Promise((resolve) => setImmediate(resolve));
  }
  console.log(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size);
`;

async function grown(before: string): Promise<number> {
  const args = ["--input-type=module", "--eval", before + program];
  return Number((await promisify(execFile)(process.execPath, args)).stdout);
}

t.test("this version of V8 heeds it", async (t) => {
  const file = join(import.meta.dirname, "../../../src/cli/young-generation.ts");
  const bound = `(await import(${JSON.stringify(file)})).boundYoungGeneration(4 * 1024 * 1024);`;
  const [own, bounded] = [await grown(""), await grown(bound)];
  t.ok(own > 16 * MiB, `by itself ${own} bytes`);
  t.ok(bounded <= 8 * MiB, `bounded ${bounded} bytes`);
});
