import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { survives } from "../integration/hosted/crash-check.ts";

t.setTimeout(600_000);

/** Processes at the same time. */
const lanes = 2;

t.test(
  "a registry that is killed before each of its operations on files, from the first to the last",
  { timeout: 600_000 },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), "entrepot-hosted-crash-"));
    t.teardown(() => rmSync(root, { recursive: true, force: true }));
    let next = 1;
    let over = false;
    const lane = async (): Promise<void> => {
      while (!over) {
        const operation = next;
        next += 1;
        if (!(await survives(t, join(root, String(operation)), operation))) over = true;
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    t.ok(next > 100, `${next - lanes} operations`);
  },
);
