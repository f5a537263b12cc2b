import { option } from "./option.ts";
import { duration, path, timeout, timeoutOrZero } from "./scalars.ts";

/** The registry of our own. */
export const registry = {
  registryStorage: option({
    group: "Registry",
    kind: path,
    help: "The directory of a registry of your own, which is on when this is set: what is pushed to the proxy's own address, under any name that does not begin with proxy/.",
  }),
  temporaryRegistryStorage: option({
    group: "Registry",
    kind: path,
    otherwise: "uploads in REGISTRY_STORAGE",
    help: "Where its uploads in progress are. On another file system than REGISTRY_STORAGE, each blob is copied once more.",
  }),
  proxyStorage: option({
    group: "Registry",
    kind: path,
    help: "Another name of CACHE_DIR, which it goes before. Setting it turns the registry on, without REGISTRY_STORAGE for what is below proxy/ alone.",
  }),
  uploadTtl: option({
    group: "Registry",
    kind: timeout,
    default: "1h",
    help: "An upload that gets no byte for this long is forgotten.",
  }),
  gcInterval: option({
    group: "Registry",
    kind: timeoutOrZero,
    default: "1d",
    help: "How often what no manifest refers to is removed; 0: by the command gc alone.",
  }),
  gcGrace: option({
    group: "Registry",
    kind: duration(0),
    default: "1d",
    help: "How long content that no manifest refers to is kept after it was pushed, mounted or asked for by a push: longer than any push takes.",
  }),
} as const;
