import { lives } from "../cache/process.ts";
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
export async function isAlive({ pid, started }: Holder): Promise<boolean> {
  return await lives(pid, started === unknown ? undefined : started, mark);
}
