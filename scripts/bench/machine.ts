import { readFileSync } from "node:fs";
import os from "node:os";

/** What of a machine a figure depends on. No name of host or model. */
export interface Machine {
  readonly cores: number;
  /** Those CPU flags that TLS and sha256 use. */
  readonly flags: readonly string[];
  readonly kernel: string;
  readonly memory: number;
}

const relevant = [
  "aes",
  "vaes",
  "pclmulqdq",
  "vpclmulqdq",
  "sha_ni",
  "avx2",
  "avx512f",
  "asimd",
  "pmull",
  "sha1",
  "sha2",
];

export function describeMachine(): Machine {
  const cpu = readFileSync("/proc/cpuinfo", "latin1");
  const present = new Set((/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? "").split(" "));
  return {
    cores: os.availableParallelism(),
    flags: relevant.filter((flag) => present.has(flag)),
    kernel: os.release().split("-")[0] ?? "",
    memory: os.totalmem(),
  };
}
