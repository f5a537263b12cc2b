import { parseRegistryRequest } from "../core/request.ts";
import { mapScope, type Renamed, withRepository } from "./names.ts";

/** A registry of which only the repositories below one name are shown, by what follows that name. Pure. */
export interface Prefix {
  /** Without slashes around it; empty: none. */
  readonly name: string;
  /** At the registry. */
  readonly full: (repository: string) => string;
  /** Here; undefined for what is not below the prefix. */
  readonly bare: Renamed;
  /** The registry's target for one of ours; undefined where it is about no repository. */
  readonly toUpstream: (target: string) => string | undefined;
  /** Ours for one of the registry's. */
  readonly toClient: (target: string) => string | undefined;
  /** Scopes between blanks with the prefix, each repository's once, whether or not it was there. */
  readonly fullScope: (scope: string) => string;
  readonly bareScope: (scope: string) => string;
  /** A text without the prefix wherever it stands as a name. */
  readonly without: (text: string) => string;
}

export function createPrefix(prefix: string): Prefix {
  const full = (repository: string): string => (prefix === "" ? repository : `${prefix}/${repository}`);
  const bare = (repository: string): string | undefined =>
    prefix === "" ? repository : repository.startsWith(`${prefix}/`) ? repository.slice(prefix.length + 1) : undefined;
  // Neither a part of a longer name nor of a word; percent signs are how a query spells the slash.
  const quoted = prefix.replaceAll("/", "(?:/|%2[Ff])").replaceAll(".", "\\.");
  const below = new RegExp(`(?<![\\w.-])${quoted}(?:/|%2[Ff])`, "g");
  const itself = new RegExp(`(?<![\\w.-])${quoted}(?![\\w-]|\\.\\w)`, "g");
  return {
    name: prefix,
    full,
    bare,
    toUpstream: (target) => withMountSource(withRepository(target, full), full),
    toClient: (target) => withRepository(target, bare),
    fullScope: (scope) =>
      mapScope(scope, (repository) => (bare(repository) === undefined ? full(repository) : repository)),
    bareScope: (scope) => mapScope(scope, bare),
    without: (text) => (prefix === "" ? text : text.replace(below, "").replace(itself, "(hidden)")),
  };
}

/** OCI distribution 1.1, "Mounting a blob from another repository": the one query of a request that names a repository. */
function withMountSource(target: string | undefined, full: (repository: string) => string): string | undefined {
  const query = target?.indexOf("?") ?? -1;
  if (target === undefined || query === -1 || parseRegistryRequest(target).kind !== "upload") return target;
  const parameters = target
    .slice(query + 1)
    .split("&")
    .map((one) => {
      const from = /^from=(.*)$/s.exec(one)?.[1];
      if (from === undefined) return one;
      return `from=${encodeURIComponent(full(new URLSearchParams(one).get("from") ?? ""))}`;
    });
  return `${target.slice(0, query)}?${parameters.join("&")}`;
}
