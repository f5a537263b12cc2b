import os from "node:os";
import type { ContenderName } from "./contenders/contender.ts";

/** Which CPUs each part is bound to, as taskset takes them; undefined leaves all of them free. */
export interface Placing {
  contender(name: ContenderName): string | undefined;
  readonly load: string | undefined;
  readonly upstream: string | undefined;
  /** For the report. */
  readonly words: string;
}

/** The contender has a core to itself, and where there are four, one with two workers has two. */
export function place(pin: boolean, cores = os.availableParallelism()): Placing {
  if (!pin || cores < 2) {
    const words = "Nothing is pinned to a CPU.";
    return { contender: () => undefined, load: undefined, upstream: undefined, words };
  }
  const upstream = cores > 2 ? "2" : "1";
  const pair = cores > 3 ? "0,3" : "0";
  const rest = upstream === "1" ? "load and upstream share CPU 1" : `the load has CPU 1, the upstream CPU ${upstream}`;
  const both = cores > 3 ? "that with two workers CPUs 0 and 3" : "that with two workers no more";
  return {
    contender: (name) => (name === "entrepot-2" ? pair : "0"),
    load: "1",
    upstream,
    words: `A contender has CPU 0 to itself, ${both}; ${rest}.`,
  };
}
