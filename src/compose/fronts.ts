import { createDispatch } from "../front/dispatch.ts";
import { createDomain } from "../front/domain.ts";
import { createMirror } from "../front/mirror.ts";
import { createPublicUrl, type PublicUrl } from "../front/public-url.ts";
import { createPullThrough } from "../front/pull-through.ts";
import { createRegistryFront } from "../front/registry.ts";
import type { Front } from "../front/types.ts";
import { createZot } from "../front/zot.ts";
import { claimsOf } from "../config/front-claims.ts";
import { frontsOf } from "../config/front-entries.ts";
import type { FrontEntry } from "../config/fronts.ts";
import type { Config } from "../config/schema.ts";
import type { Policy } from "../policy/policy.ts";
import type { Handler } from "../serve/exchange.ts";
import { openAccounts } from "./accounts.ts";
import { domainOf } from "./front-domain.ts";
import { type ImageNeeds, imageProxyOf } from "./front-image.ts";
import { zotOf } from "./front-zot.ts";

export interface FrontNeeds extends ImageNeeds {
  readonly policy: Policy;
  readonly isOwnPath: (path: string) => boolean;
  /** The registry of our own; undefined where there is none. */
  readonly hosted: Handler | undefined;
}

/** What fronts are made with. */
interface FrontParts extends FrontNeeds {
  readonly publicUrl: PublicUrl;
}

/** Puts the fronts of the configuration before the proxy's own endpoints. Throws CONFIG_INVALID where one cannot be made. */
export function createFronts(config: Config, needs: FrontNeeds, own: Handler): Handler {
  const { policy, isOwnPath } = needs;
  const parts = { ...needs, publicUrl: createPublicUrl(policy.trustsProxy) };
  const fronts: Front[] = frontsOf(config).map((entry) => ({
    name: entry.name,
    hosts: entry.hosts,
    claims: claimsOf(entry),
    handler: handlerOf(entry, parts),
  }));
  return createDispatch({ fronts, own, isOwnPath, isOwnName: policy.isOwnName });
}

function handlerOf(entry: FrontEntry, parts: FrontParts): Handler {
  const { policy, registry, hosted, clock, log } = parts;
  const { name } = entry;
  const { intercepts } = policy;
  switch (entry.kind) {
    case "mirror":
      return createMirror({ name, upstream: entry.settings.upstreamRegistry, intercepts, registry });
    case "registry": {
      const accounts = openAccounts(name, entry.settings, clock, log);
      const pullThrough = createPullThrough({ ...parts, name, intercepts, hasAccounts: accounts !== undefined });
      return createRegistryFront({ accounts, pullThrough, hosted });
    }
    case "image":
      return imageProxyOf(entry, parts);
    case "domain":
      return createDomain({ ...parts, ...domainOf(entry, parts) });
    case "zot":
      return createZot({ ...parts, ...zotOf(entry, parts) });
  }
}
