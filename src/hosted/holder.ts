import { hashOf } from "./layout.ts";

/** Who is writing to an upload, as its file's name says. */
export interface Holder {
  readonly pid: number;
  /** Of the process's start; a number is given to another process in time. */
  readonly started: string;
  /** One registry of that process. */
  readonly instance: string;
}

/** Undefined where the system has no /proc. */
export type StartOf = (pid: number) => Promise<string | undefined>;

const grammar = /^data\.(\d{1,10})-([0-9a-f]{12})-([0-9a-f]{12})$/;
const unknownStart = "0".repeat(12);

export function holderFile({ pid, started, instance }: Holder): string {
  return `data.${pid}-${started}-${instance}`;
}

export function parseHolder(name: string): Holder | undefined {
  const [, pid, started = "", instance = ""] = grammar.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), started, instance };
}

export async function startMark(pid: number, startOf: StartOf): Promise<string> {
  const start = await startOf(pid);
  return start === undefined ? unknownStart : hashOf(start).slice(0, 12);
}

/** Whether the process that holds it still runs. */
export async function isAlive({ pid, started }: Holder, startOf: StartOf): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: alive, and another user's.
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const now = await startMark(pid, startOf);
  return now === unknownStart || started === unknownStart || now === started;
}
