import { readFileSync, readdirSync, writeFileSync } from "node:fs";

/** proc(5): utime and its kin count in USER_HZ, which is 100 on every Linux that node runs on. */
const ticksPerSecond = 100;

/** A process and all its descendants, as /proc has them at the moment of each question. */
export class ProcessTree {
  readonly #root: number;
  /** When it was started, as performance.now() had it. */
  readonly since = performance.now();

  constructor(root: number) {
    this.#root = root;
  }

  pids(): number[] {
    const children = new Map<number, number[]>();
    for (const name of readdirSync("/proc")) {
      const pid = Number(name);
      const parent = Number.isInteger(pid) ? statFields(pid)?.[1] : undefined;
      if (parent === undefined) continue;
      const siblings = children.get(Number(parent));
      if (siblings) siblings.push(pid);
      else children.set(Number(parent), [pid]);
    }
    const found = [this.#root];
    for (const pid of found) found.push(...(children.get(pid) ?? []));
    return found;
  }

  /**
   * CPU seconds so far of every thread of every process of the tree, and of the children that they have reaped. Threads are read from
   * schedstat, in nanoseconds, since a tick of 10 ms is coarse beside a case of a second.
   */
  cpuSeconds(): number {
    let total = 0;
    for (const pid of this.pids()) {
      total += threadSeconds(pid);
      const fields = statFields(pid);
      total += (Number(fields?.[13] ?? 0) + Number(fields?.[14] ?? 0)) / ticksPerSecond;
    }
    return total;
  }

  /** Starts a new measurement of the peak: proc(5), clear_refs, 5. */
  resetPeak(): void {
    for (const pid of this.pids()) {
      try {
        writeFileSync(`/proc/${pid}/clear_refs`, "5");
      } catch {
        // Another user's process: its peak is then that of its whole life, which is no less.
      }
    }
  }

  /** Bytes: the sum of each process's resident set. Pages that they share count for each. */
  rssBytes(): number {
    return this.#kilobytes("VmRSS") * 1024;
  }

  /** Bytes: the sum of each process's highest resident set since `resetPeak`. Pages that they share count for each. */
  peakBytes(): number {
    return this.#kilobytes("VmHWM") * 1024;
  }

  #kilobytes(field: string): number {
    const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m");
    return this.pids().reduce((total, pid) => total + Number(line.exec(read(`/proc/${pid}/status`))?.[1] ?? 0), 0);
  }
}

function threadSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of list(`/proc/${pid}/task`)) {
    nanoseconds += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
  }
  if (nanoseconds > 0) return nanoseconds / 1e9;
  const fields = statFields(pid);
  return (Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)) / ticksPerSecond;
}

/** Fields of /proc/PID/stat from the third on, since the second, the name, may hold blanks. */
function statFields(pid: number): string[] | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === "" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Processes end while one looks: what is gone is empty. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
