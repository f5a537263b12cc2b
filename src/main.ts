#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { run } from "./cli/run.ts";
import { listenForSignals } from "./cli/signals.ts";
import { boundYoungGeneration } from "./cli/young-generation.ts";

// What was made of the program's files is kept beside it, for the next start: who can write there can change the program itself. Where
// nobody can, each start compiles anew.
enableCompileCache(join(import.meta.dirname, "../node_modules/.cache/entrepot"));

boundYoungGeneration();

// A reader such as `head` that has seen enough is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const code = await run({
  argv: process.argv.slice(2),
  env: process.env,
  io: { stdout: process.stdout, stderr: process.stderr, signals: listenForSignals(process) },
});
// A connection or a timer that is still there does not keep a program that has ended; what it wrote goes out first.
process.exitCode = code;
process.stdout.write("", () => process.exit());
