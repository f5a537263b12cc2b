import { execFile } from "node:child_process";
import { promisify } from "node:util";
import t from "tap";

const module = new URL("../../../src/cli/young-generation.ts", import.meta.url).href;

/** MiB of the young generation of a program that keeps some thousands of its objects for a while. */
async function grownTo(program: string, ...args: readonly string[]): Promise<number> {
  const work = `
    const { getHeapSpaceStatistics } = await import("node:v8");
    const kept = [];
    for (let count = 0; count < 1_000_000; count += 1) {
      kept.push({ count, of: [count] });
      if (kept.length > 50_000) kept.splice(0, 25_000);
    }
    const { space_size: bytes } = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
    console.log(bytes / 1024 / 1024);`;
  const evaluated = ["--input-type=module", "--eval", program + work];
  // Without what the test runner would have it load.
  const { stdout } = await promisify(execFile)("env", ["-i", process.execPath, ...args, ...evaluated]);
  return Number(stdout);
}

const hold = `(await import(${JSON.stringify(module)})).holdYoungGeneration(process);`;

void t.test("it keeps the size that it has at the start", async (t) => {
  const by = { itself: await grownTo(""), us: await grownTo(hold) };
  t.ok(by.itself >= 8, `${by.itself} MiB by itself`);
  t.ok(by.us <= 3, `${by.us} MiB`);
});

void t.test("whoever chose a size for it has that", async (t) => {
  const size = await grownTo(hold, "--max-semi-space-size=4");
  t.ok(size > 3 && size <= 9, `${size} MiB`);
});
