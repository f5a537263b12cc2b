import { authority } from "./credentials.ts";
import { frontsOf } from "./front-entries.ts";
import type { FrontEntry, FrontKind } from "./fronts.ts";
import type { Config } from "./schema.ts";

/** A front, for people. Holds nothing secret. */
export interface FrontLine {
  readonly name: string;
  readonly kind: FrontKind;
  /** The Host names that it answers to. */
  readonly hosts: string;
  /** What its requests become. */
  readonly to: string;
}

/** What the requests of a kind become, in a few words. */
type Mapping = {
  readonly [Kind in FrontKind]: (entry: FrontEntry & { readonly kind: Kind }, config: Config) => string;
};

const mapping: Mapping = {
  mirror: ({ settings: { upstreamRegistry } }) =>
    `mirror of ${upstreamRegistry.name}, and of what ?ns= names among REGISTRIES`,
  registry({ settings: { accounts, htpasswdFile } }, { registryStorage }) {
    const kept = registryStorage === undefined ? "" : `; registry in ${registryStorage}`;
    const users = accounts.length > 0 || htpasswdFile !== undefined;
    return `/v2/proxy/HOST/ of REGISTRIES${kept}; for ${users ? "its accounts" : "everybody"}`;
  },
  image({ settings: { upstreamRegistry, selfRegistry, accounts } }) {
    const here = selfRegistry === undefined ? "" : ` as ${selfRegistry.name}`;
    return `${upstreamRegistry.name}${here}; for ${accounts.length > 0 ? "its accounts" : "everybody"}`;
  },
  domain({ settings: { registryHost, repoPrefix, authHeader, googleApplicationCredentials } }) {
    const below = repoPrefix === "" ? "" : `/${repoPrefix}`;
    const lends = authHeader !== undefined || googleApplicationCredentials !== undefined;
    return `${registryHost?.name}${below}${lends ? ", read with a credential of the front's own" : ""}`;
  },
  zot: ({ settings: { zotUrl } }) => `Zot at ${zotUrl?.name}, for docker too`,
};

/** A line for each front of the configuration. */
export function frontLines(config: Config): FrontLine[] {
  return frontsOf(config).map((entry) => {
    const { name, kind, hosts } = entry;
    // The table has for each kind what takes its entries, which an index by the entry's kind cannot say.
    const describe = mapping[kind] as (one: FrontEntry, all: Config) => string;
    const named = hosts.map(({ host, port }) => authority(host, port)).join(" ");
    return { name, kind, hosts: named === "" ? "any host" : named, to: describe(entry, config) };
  });
}
