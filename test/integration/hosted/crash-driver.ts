/**
 * Runs the scenario on a storage and kills itself, for good, before its n-th operation on the file system; a write is cut in its middle.
 * What was accepted until then is told on standard output, a line of JSON for each. `crash-driver.ts <storage> <n>`
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [storage = "", at = ""] = process.argv.slice(2);
let left = Number(at);

/** Whether it goes on; never returns where it does not. */
function step(cut?: () => void): void {
  left -= 1;
  if (left > 0) return;
  cut?.();
  process.kill(process.pid, "SIGKILL");
  // The signal is on its way.
  for (;;);
}

type Operation = (...args: unknown[]) => unknown;
const promises = fs.promises as unknown as Record<string, Operation>;
for (const name of ["rename", "link", "unlink", "utimes", "writeFile", "mkdir", "rmdir", "rm"]) {
  const original = promises[name];
  if (original === undefined) throw new Error(`node:fs/promises has no ${name}.`);
  promises[name] = (...args) => {
    step();
    return original(...args);
  };
}
const callbacks = fs as unknown as Record<string, Operation>;
const { writev, fsync } = callbacks;
callbacks["writev"] = (...args) => {
  const [descriptor, pieces, position] = args as [number, readonly Buffer[], number];
  const [piece] = pieces;
  step(() => piece && fs.writeSync(descriptor, piece, 0, Math.ceil(piece.length / 2), position));
  return writev?.(...args);
};
callbacks["fsync"] = (...args) => {
  step();
  return fsync?.(...args);
};
syncBuiltinESMExports();

// After that, as modules keep the functions that they find.
const { startBare } = await import("./bare.ts");
const { runScenario } = await import("./crash-scenario.ts");
const { hosted, client, stop } = await startBare({ storage });
await runScenario(
  client,
  () => hosted.gc(new AbortController().signal),
  (accepted) => fs.writeSync(1, `${JSON.stringify(accepted)}\n`),
);
await stop();
