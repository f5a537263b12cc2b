import { option } from "./option.ts";
import { boolean, registryUrl } from "./scalars.ts";

/** Options of the mirror front. */
export const mirrorOptions = {
  upstreamRegistry: option({
    group: "Fronts",
    kind: registryUrl,
    default: "https://registry-1.docker.io",
    help: "The registry behind a mirror whose clients do not say which (Docker's registry-mirrors), and behind an image proxy.",
  }),
};

/** What stands among the options and in no entry of `fronts`. */
export const mirrorSwitch = {
  mirror: option({
    group: "Fronts",
    kind: boolean,
    default: "true",
    help: "Whether /v2/ on the proxy's own port is a mirror: of the registry that ?ns= names (containerd), else of UPSTREAM_REGISTRY.",
  }),
};
