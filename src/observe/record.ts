import type { Log } from "./log.ts";
import type { Trace } from "./trace.ts";

/** Writes the one line of an exchange, and hands it to whoever counts. */
export function createRecorder(log: Log, listeners: readonly ((trace: Trace) => void)[]): (trace: Trace) => void {
  return (trace) => {
    for (const listener of listeners) listener(trace);
    const failed = trace.error !== undefined && trace.error !== "CANCELLED";
    // A refusal is the client's affair. An error behind a good status is an answer that could not be ended.
    const refused = trace.status !== undefined && trace.status >= 400 && trace.status < 500;
    const level = failed && !refused ? "warn" : "info";
    if (!log.isLevelEnabled(level)) return;
    log[level](rounded(trace), trace.problem ?? "exchange");
  };
}

/** Times to a tenth of a millisecond. */
function rounded(trace: Trace): Trace {
  const line = { ...trace };
  if (line.firstByte !== undefined) line.firstByte = Math.round(line.firstByte * 10) / 10;
  if (line.lastByte !== undefined) line.lastByte = Math.round(line.lastByte * 10) / 10;
  delete line.problem;
  return line;
}
