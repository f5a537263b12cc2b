import { createDispatch } from "../front/dispatch.ts";
import { createMirror } from "../front/mirror.ts";
import { createPublicUrl, type PublicUrl } from "../front/public-url.ts";
import type { Front } from "../front/types.ts";
import { claimsOf } from "../config/front-claims.ts";
import { frontsOf } from "../config/front-entries.ts";
import type { FrontEntry } from "../config/fronts.ts";
import type { Config } from "../config/schema.ts";
import type { Policy } from "../policy/policy.ts";
import type { Handler } from "../serve/exchange.ts";

export interface FrontNeeds {
  readonly policy: Policy;
  /** Answers for a registry; not recorded, since the whole of a front's exchange is. */
  readonly registry: Handler;
  readonly isOwnPath: (path: string) => boolean;
  /** The registry of our own; undefined where there is none. */
  readonly hosted: Handler | undefined;
}

/** What fronts are made with. */
interface FrontParts extends FrontNeeds {
  readonly publicUrl: PublicUrl;
}

/** Puts the fronts of the configuration before the proxy's own endpoints. */
export function createFronts(config: Config, needs: FrontNeeds, own: Handler): Handler {
  const { policy, isOwnPath, hosted } = needs;
  const parts = { ...needs, publicUrl: createPublicUrl(policy.trustsProxy) };
  const fronts: Front[] = frontsOf(config).map((entry) => ({
    name: entry.name,
    hosts: entry.hosts,
    claims: claimsOf(entry),
    handler: handlerOf(entry, parts),
  }));
  if (hosted !== undefined) {
    fronts.push({
      name: "registry",
      hosts: [],
      claims: [{ paths: "registry", endpoints: [], yields: false }],
      handler: hosted,
    });
  }
  return createDispatch({ fronts, own, isOwnPath, isOwnName: policy.isOwnName });
}

function handlerOf(entry: FrontEntry, { policy, registry }: FrontParts): Handler {
  const { name, settings } = entry;
  return createMirror({ name, upstream: settings.upstreamRegistry, intercepts: policy.intercepts, registry });
}
