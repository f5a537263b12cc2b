import { createLog, type Log } from "../../../src/observe/log.ts";

/** A log whose lines are kept. */
export function recordingLog(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { log: createLog({ level: "debug", format: "json", destination }), lines };
}
