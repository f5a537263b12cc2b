import { hashOf } from "./layout.ts";

/** Who is writing to an upload, as its file's name says. */
export interface Holder {
  readonly pid: number;
  /** Of the process's start; a number is given to another process in time. */
  readonly started: string;
  /** Where its number holds (pid_namespaces(7)): another container's processes cannot be seen. */
  readonly space: string;
  /** One registry of that process. */
  readonly instance: string;
}

/** Undefined where the system has no /proc. */
export type StartOf = (pid: number) => Promise<string | undefined>;

const grammar = /^data\.(\d{1,10})-([0-9a-f]{12})-([0-9a-f]{12})-([0-9a-f]{12})$/;
const unknown = "0".repeat(12);

export function holderFile({ pid, started, space, instance }: Holder): string {
  return `data.${pid}-${started}-${space}-${instance}`;
}

export function parseHolder(name: string): Holder | undefined {
  const [, pid, started = "", space = "", instance = ""] = grammar.exec(name) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), started, space, instance };
}

/** For the name of a file: twelve digits for a fact of the system, zeros where there is none. */
export function mark(fact: string | undefined): string {
  return fact === undefined ? unknown : hashOf(fact).slice(0, 12);
}

/** Whether the process that holds it, of this space, still runs. */
export async function isAlive({ pid, started }: Holder, startOf: StartOf): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: alive, and another user's.
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const now = mark(await startOf(pid));
  return now === unknown || started === unknown || now === started;
}
