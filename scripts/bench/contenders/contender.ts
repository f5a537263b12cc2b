import type { ProcessTree } from "../measure.ts";
import type { Pki } from "../pki.ts";

/** How the load reaches something, on 127.0.0.1. `caFile`: PEM of the root that its certificate hangs on. */
export type Target =
  /** CONNECT to the registry first, as through an HTTPS_PROXY, then TLS. */
  | { readonly way: "connect"; readonly port: number; readonly caFile: string }
  /** TLS from the first byte. */
  | { readonly way: "tls"; readonly port: number; readonly caFile: string }
  /** HTTP from the first byte. */
  | { readonly way: "plain"; readonly port: number }
  /** CONNECT to `to`, host and port, then HTTP. */
  | { readonly way: "tunnel"; readonly port: number; readonly to: string };

/**
 * What a contender may be asked to do. cache: pull from the registry through it, and push to the registry. tunnel: pass on what it does not
 * look into. hosted: be a registry itself.
 */
export type Role = "cache" | "tunnel" | "hosted";

/** Where a contender plays a role, and the processes that do it; `direct` has none that count. */
export interface Place {
  readonly target: Target;
  readonly tree: ProcessTree | undefined;
}

export interface Contender {
  readonly name: ContenderName;
  readonly places: Readonly<Partial<Record<Role, Place>>>;
  /** Why it has no place for a role. */
  readonly lacks?: Readonly<Partial<Record<Role, string>>>;
  /** Processes among which its connections are spread; 1 unless given. */
  readonly workers?: number;
  /** Its own version, for the report. */
  readonly version: string;
  stop(): Promise<void>;
}

export interface ContenderOptions {
  /** Exists and is its own; empty unless the contender ran there before. */
  readonly directory: string;
  readonly pki: Pki;
  readonly upstream: {
    /** On 127.0.0.1, over TLS. */
    readonly port: number;
    /** On 127.0.0.1, without TLS: what tunnels lead to. */
    readonly plainPort: number;
  };
  readonly cpus: string | undefined;
  /** Where a node contender leaves a CPU profile when it ends; costs it some speed. */
  readonly profileDirectory: string | undefined;
  readonly signal: AbortSignal;
}

export type StartContender = (options: ContenderOptions) => Promise<Contender>;

/** `direct` is the load at the upstream itself: what no cache can beat for a cold blob. */
export type ContenderName =
  | "entrepot"
  | "entrepot-2"
  | "nginx"
  | "nginx-rsa"
  | "squid"
  | "registry"
  | "mitm"
  | "direct";

/** In the order of the report's columns. */
export const titles: Readonly<Record<ContenderName, string>> = {
  entrepot: "Entrepot",
  "entrepot-2": "Entrepot, 2 workers",
  nginx: "nginx",
  "nginx-rsa": "nginx, RSA leaf",
  squid: "squid",
  registry: "docker-registry",
  mitm: "http-mitm-proxy",
  direct: "direct",
};

export const contenderNames = Object.keys(titles) as ContenderName[];

/** Something that this machine or this version of a contender lacks; the report says so, and nothing has failed. */
export class CannotTakePart extends Error {}

/** node's own arguments for a contender that is a node program. */
export function nodeArguments({ profileDirectory }: ContenderOptions): string[] {
  return profileDirectory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`];
}
