import type { CacheType } from "../observe/trace.ts";

/** How long a tag may be served without asking its registry. */
export interface Tier {
  readonly type: CacheType;
  /** Milliseconds; 0 means that every pull revalidates. */
  readonly ttl: number;
}

export interface TierRules {
  /** false: every tag is revalidated at every pull. */
  readonly enabled: boolean;
  readonly primary: { readonly pattern: RegExp; readonly ttl: number };
  readonly secondary: { readonly pattern: RegExp; readonly ttl: number };
  readonly defaultTtl: number;
}

/**
 * A tag that ends in a digest's hexadecimal digits (`sha256-<hex>`, `sha256-<hex>.sig`) is how clients find referrers and signatures
 * where a registry has no referrers API (OCI distribution 1.1, "Referrers Tag Schema"): it is rewritten with each signature, so it
 * is never taken for a version.
 */
const referrersTag = /^sha(?:256|512)-[a-f0-9]{64}/;

/** The tier of a tag: the first rule that fits. */
export function tierOfTag(rules: TierRules, tag: string): Tier {
  if (!rules.enabled) return { type: "manifest-default-disabled", ttl: 0 };
  if (rules.primary.pattern.test(tag)) return { type: "manifest-primary", ttl: rules.primary.ttl };
  if (!referrersTag.test(tag) && rules.secondary.pattern.test(tag)) {
    return { type: "manifest-secondary", ttl: rules.secondary.ttl };
  }
  return { type: "manifest-default", ttl: rules.defaultTtl };
}
