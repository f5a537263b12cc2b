import { readFile, readlink } from "node:fs/promises";
import { errnoOf } from "./trouble.ts";

/** What stands in place of the start of a process that has ended and that nobody has waited for yet: it has a number, and holds nothing. */
const ended = "ended";

/**
 * Whether a process runs; with `started`, what `written` made of what `startOf` gave (nothing unless given), that one and not a later one of the
 * same number.
 */
export async function lives(
  pid: number,
  started?: string,
  written: (start: string) => string = (start) => start,
): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: alive, and another user's.
    if (errnoOf(error) !== "EPERM") return false;
  }
  const now = await startOf(pid);
  return now !== ended && (started === undefined || now === undefined || written(now) === started);
}

/** What the system says of the start of a process (proc_pid_stat(5), field 22) and the boot that it counts from; undefined where there is no /proc. */
export async function startOf(pid: number): Promise<string | undefined> {
  const [stat, boot] = await Promise.all([readText(`/proc/${pid}/stat`), readText("/proc/sys/kernel/random/boot_id")]);
  // The name of the program stands in parentheses, and may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields ?? [];
  if (state === "Z" || state === "X") return ended;
  const ticks = fields?.[19];
  return ticks === undefined ? undefined : `${boot?.trim() ?? ""} ${ticks}`;
}

/** Where the numbers of this process and of those that it sees hold (pid_namespaces(7)); undefined where there is no /proc. */
export async function spaceOf(): Promise<string | undefined> {
  const [space, boot] = await Promise.all([
    readlink("/proc/self/ns/pid").catch(() => undefined),
    readText("/proc/sys/kernel/random/boot_id"),
  ]);
  return space === undefined ? undefined : `${boot?.trim() ?? ""} ${space}`;
}

async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(() => undefined);
}
