import { join } from "node:path";
import t from "tap";
import { survives } from "./crash-check.ts";

/** CRASH_STEP=1 tries them all, as the e2e test does. */
const step = Number(process.env["CRASH_STEP"] ?? 40);
const begin = 1 + (Number(process.env["CRASH_SEED"] ?? Date.now()) % step);

t.setTimeout(60_000);

t.test(
  "killed before operations on its files: what was accepted is there, an upload goes on, nothing is left",
  async (t) => {
    t.comment(`CRASH_SEED=${begin - 1}`);
    const root = t.testdir();
    let operation = begin;
    while (await survives(t, join(root, String(operation)), operation)) operation += step;
    t.ok(operation > 100, `${operation} operations`);
  },
);
