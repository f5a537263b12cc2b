import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { survives } from "../integration/hosted/crash-check.ts";

t.setTimeout(600_000);

/** Processes at the same time. */
const lanes = 2;
/** CRASH_STEP=1 tries them all: twice as many as one run does, which begins with the first or the second. */
const step = Number(process.env["CRASH_STEP"] ?? 2);
const begin = 1 + (Number(process.env["CRASH_SEED"] ?? Date.now()) % step);

t.test(
  "a registry that is killed before its operations on files, from the first to the last",
  { timeout: 600_000 },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), "entrepot-hosted-crash-"));
    t.teardown(() => rmSync(root, { recursive: true, force: true }));
    t.comment(`CRASH_SEED=${begin - 1}`);
    let next = begin;
    let over = false;
    const lane = async (): Promise<void> => {
      while (!over) {
        const operation = next;
        next += step;
        if (!(await survives(t, join(root, String(operation)), operation))) over = true;
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    t.ok(next > 100, `${next} operations`);
  },
);
