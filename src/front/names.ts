import { parseRegistryRequest } from "../core/request.ts";

/** Another name for a repository; undefined where it has none. */
export type Renamed = (repository: string) => string | undefined;

/**
 * A target below /v2/, path and query, with its repository's other name. Undefined where it has no repository, or one that has no other name. What it asks of the
 * repository stays as it is spelt.
 */
export function withRepository(target: string, renamed: Renamed): string | undefined {
  const request = parseRegistryRequest(target);
  if (!("repository" in request)) return undefined;
  const name = renamed(request.repository);
  const prefix = `/v2/${request.repository}/`;
  // A name that is spelt with percent signs has one plain spelling.
  const plain = target.startsWith(prefix) ? target : plainly(target);
  if (name === undefined || !plain.startsWith(prefix)) return undefined;
  return `/v2/${name}/${plain.slice(prefix.length)}`;
}

function plainly(target: string): string {
  const [path = "", query] = target.split(/\?(.*)/s, 2);
  return decodeURIComponent(path) + (query === undefined ? "" : `?${query}`);
}

/**
 * A scope (distribution token specification, "Resource Scope Grammar"), or several between blanks, with the other names of its repositories. Those that
 * have none are left out; what is about no repository stays.
 */
export function mapScope(scope: string, renamed: Renamed): string {
  return scope
    .split(" ")
    .flatMap((one) => {
      // The name may hold a host with a port, so that it ends at the last colon.
      const [, type, name, actions] = /^(repository(?:\([^)]*\))?):(.+):([^:]*)$/.exec(one) ?? [];
      if (type === undefined || name === undefined) return one === "" ? [] : [one];
      const other = renamed(name);
      return other === undefined ? [] : [`${type}:${other}:${actions}`];
    })
    .join(" ");
}
