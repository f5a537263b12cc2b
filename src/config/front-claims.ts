import type { HostPort } from "../core/origin.ts";
import type { FrontEntry, FrontKind } from "./fronts.ts";
import { authority } from "./credentials.ts";

/**
 * Which requests a front answers. ns: those below /v2/ that name their registry by `?ns=`. proxy: those below /v2/proxy/. registry: the rest of /v2/, and
 * the front's own endpoints beside it. all: everything that is none of the proxy's own endpoints, and "/".
 */
export type ClaimedPaths = "ns" | "proxy" | "registry" | "all";

export interface Claim {
  readonly paths: ClaimedPaths;
  /** Endpoints outside of /v2/. */
  readonly endpoints: readonly string[];
  /** Gives way to every other claim. */
  readonly yields: boolean;
}

type KindsClaim = Omit<Claim, "yields"> & Partial<Claim>;

const claimsByKind: Readonly<Record<FrontKind, readonly KindsClaim[]>> = {
  mirror: [
    { paths: "ns", endpoints: [] },
    // A mirror is told by `?ns=`; without it, a front that has the name for its own comes first.
    { paths: "registry", endpoints: [], yields: true },
  ],
  registry: [
    { paths: "proxy", endpoints: [] },
    { paths: "registry", endpoints: [] },
  ],
  image: [{ paths: "registry", endpoints: ["/health", "/v1/_ping", "/v1/search"] }],
  domain: [{ paths: "all", endpoints: [] }],
  zot: [{ paths: "all", endpoints: [] }],
};

export function claimsOf({ kind, implicit }: FrontEntry): Claim[] {
  return claimsByKind[kind].map((claim) => ({ ...claim, yields: implicit || claim.yields === true }));
}

/** What fronts say against each other, one line each: names that two have, and requests that two would answer. */
export function frontConflicts(entries: readonly FrontEntry[]): string[] {
  const problems: string[] = [];
  for (const [index, entry] of entries.entries()) {
    for (const other of entries.slice(0, index)) {
      if (entry.name === other.name)
        problems.push(`two fronts are called ${entry.name}; each may have a name of its own`);
      const shared = sharedHosts(entry, other);
      if (shared !== undefined && claimsOf(entry).some((claim) => claimsOf(other).some((one) => isSame(claim, one))))
        problems.push(
          `the fronts ${other.name} and ${entry.name} would answer the same requests${shared}; each may have hosts of its own`,
        );
    }
  }
  return problems;
}

/** Where both are asked; undefined where a Host tells them apart. */
function sharedHosts(one: FrontEntry, other: FrontEntry): string | undefined {
  if (one.hosts.length === 0 || other.hosts.length === 0)
    return one.hosts.length === other.hosts.length ? "" : undefined;
  const shared = one.hosts.find((host) => other.hosts.some((its) => overlaps(host, its)));
  return shared === undefined ? undefined : ` for ${authority(shared.host, shared.port)}`;
}

/** A host without a port is about every port. */
function overlaps(one: HostPort, other: HostPort): boolean {
  return one.host === other.host && (one.port === undefined || other.port === undefined || one.port === other.port);
}

const wholes: ReadonlySet<ClaimedPaths> = new Set(["registry", "all"]);

function isSame(one: Claim, other: Claim): boolean {
  if (one.yields || other.yields) return false;
  return one.paths === other.paths || (wholes.has(one.paths) && wholes.has(other.paths));
}
