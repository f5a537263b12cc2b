import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { ownPrefix, releaseGroups, sweepDirectories } from "./leftovers.ts";
import { killRunning } from "./run.ts";
import { until } from "./until.ts";

/** A directory of a test's own, and the list of what must be undone when the test is over. */
export interface Place {
  readonly directory: string;
  /** Makes a directory below it. */
  folder(name: string): string;
  /** Run last in, first out, whether the test passed or not; one that fails does not keep the others from running. */
  atEnd(undo: () => Promise<void> | void): void;
  /** Printed where the test fails. */
  keepLog(title: string, file: string): void;
}

/** The end of `t` cleans up. What an earlier run left that was killed outright is removed too. */
export function openPlace(t: Test): Place {
  sweepDirectories();
  // Short, since the path of a Unix socket has at most 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), ownPrefix));
  const undos: (() => Promise<void> | void)[] = [];
  const logs: { title: string; file: string }[] = [];
  t.teardown(async () => {
    const failures: unknown[] = [];
    killRunning();
    for (const undo of undos.toReversed()) {
      try {
        await undo();
      } catch (error) {
        failures.push(error);
      }
    }
    try {
      await until("the control groups are empty", 5000, () => (releaseGroups(), true));
    } catch (error) {
      failures.push(error);
    }
    if (!t.passing() || failures.length > 0) for (const { title, file } of logs) printEnd(title, file);
    rmSync(directory, { recursive: true, force: true });
    if (failures.length > 0) throw new AggregateError(failures, "cleaning up after the test");
  });
  return {
    directory,
    folder(name) {
      const path = join(directory, name);
      mkdirSync(path, { recursive: true });
      return path;
    },
    atEnd(undo) {
      undos.push(undo);
    },
    keepLog(title, file) {
      logs.push({ title, file });
    },
  };
}

function printEnd(title: string, file: string): void {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(-40);
  process.stderr.write(`--- ${title}\n${lines.map((line) => line.slice(0, 300)).join("\n")}\n`);
}
