import type { FrontEntry, FrontKind } from "./fronts.ts";
import { frontTables } from "./fronts.ts";
import type { Config } from "./schema.ts";

/** Whether flags and variables ask for a front of a kind: by the option that it could not be without. */
const askedFor: Readonly<Record<FrontKind, (config: Partial<Config>) => boolean>> = {
  mirror: ({ mirror }) => mirror === true,
  registry: ({ registryStorage, proxyStorage }) => registryStorage !== undefined || proxyStorage !== undefined,
  image: ({ selfRegistry }) => selfRegistry !== undefined,
  domain: ({ registryHost }) => registryHost !== undefined,
  zot: ({ zotUrl }) => zotUrl !== undefined,
};

/** All fronts: those of the file's list, and one of each kind that flags and variables ask for. */
export function frontsOf(config: Partial<Config>): FrontEntry[] {
  const listed = config.fronts ?? [];
  const kinds = Object.keys(frontTables).filter((kind): kind is FrontKind => kind in frontTables);
  const single = kinds
    .filter((kind) => askedFor[kind](config) && !listed.some((entry) => isInPlaceOf(entry, kind)))
    .map((kind) => fromOptions(kind, config));
  return [...listed, ...single];
}

/** A registry that is listed is the one of REGISTRY_STORAGE: a second one beside it would be without its accounts. */
function isInPlaceOf({ name, kind: its }: FrontEntry, kind: FrontKind): boolean {
  return name === kind || (kind === "registry" && its === kind);
}

function fromOptions(kind: FrontKind, config: Partial<Config>): FrontEntry {
  const names = Object.keys(frontTables[kind]);
  const values: ReadonlyMap<string, unknown> = new Map(Object.entries(config));
  const settings = Object.fromEntries(names.map((name) => [name, values.get(name)]));
  // The table says what the values are; a loop over its names cannot.
  return { kind, name: kind, hosts: [], settings, implicit: kind === "mirror" } as unknown as FrontEntry;
}
