import type { ProcessTree } from "../measure.ts";
import type { Pki } from "../pki.ts";

/** How the load reaches something that serves the registry. */
export interface Target {
  /** On 127.0.0.1. */
  readonly port: number;
  /** connect: CONNECT first, as through an HTTPS_PROXY. tls: TLS from the first byte. */
  readonly way: "connect" | "tls";
  /** PEM of the root that its certificate hangs on. */
  readonly caFile: string;
}

export interface Contender {
  readonly name: ContenderName;
  readonly target: Target;
  readonly tree: ProcessTree;
  /** Its own version, for the report. */
  readonly version: string;
  stop(): Promise<void>;
}

export interface ContenderOptions {
  /** Exists, is empty and is its own. */
  readonly directory: string;
  readonly pki: Pki;
  /** Port of the upstream on 127.0.0.1. */
  readonly upstreamPort: number;
  readonly cpu: number | undefined;
  /** Where a node contender leaves a CPU profile when it ends; costs it some speed. */
  readonly profileDirectory: string | undefined;
  readonly signal: AbortSignal;
}

export type StartContender = (options: ContenderOptions) => Promise<Contender>;

/** `direct` is the load at the upstream itself: what no cache can beat for a cold blob. */
export type ContenderName = "entrepot" | "nginx" | "mitm" | "direct";

export const titles: Readonly<Record<ContenderName, string>> = {
  entrepot: "Entrepot",
  nginx: "nginx",
  mitm: "http-mitm-proxy",
  direct: "direct",
};

/** node's own arguments for a contender that is a node program. */
export function nodeArguments({ profileDirectory }: ContenderOptions): string[] {
  return profileDirectory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`];
}
