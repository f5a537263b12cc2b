import { readFileSync } from "node:fs";

/** A process and those that it has started, by their numbers. */
export function processesOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  return [pid, ...children.filter((child) => child.trim() !== "").map(Number)];
}
