import { type DestinationStream, type Logger, pino } from "pino";
import { default as pinoPretty } from "pino-pretty";

export type Log = Logger;

export interface LogOptions {
  readonly level: string;
  readonly format: "json" | "pretty";
  /** Where lines go; standard output unless a test says otherwise. */
  readonly destination?: DestinationStream;
}

/** The program's log. Every line is one object; a field that could hold a credential is never handed to it. */
export function createLog(options: LogOptions): Log {
  const base = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (options.format === "pretty") {
    const stream = pinoPretty({
      colorize: options.destination === undefined && process.stdout.isTTY,
      ...(options.destination && { destination: options.destination }),
      sync: true,
    });
    return pino(base, stream);
  }
  return options.destination === undefined ? pino(base) : pino(base, options.destination);
}
