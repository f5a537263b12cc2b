import { type AnonymousTokens, createAnonymousTokens } from "../auth/anonymous.ts";
import type { Credentials } from "../auth/credentials.ts";
import { createAccessRecords, createCredentialHash, type CredentialId } from "../auth/grants.ts";
import { createOwnTokens, deriveKey, type OwnTokens } from "../auth/own-token.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Origin } from "../core/origin.ts";
import type { Policy } from "../policy/policy.ts";
import { Access } from "../serve/access.ts";
import { createAnonymousFetch } from "../serve/anonymous-fetch.ts";
import { Offline, withoutOwnTokens } from "../serve/offline.ts";
import { createStanding, type Standing } from "../serve/standing.ts";
import type { Upstream } from "../upstream/client.ts";
import type { Fetch } from "../upstream/types.ts";
import type { Instance } from "./instance.ts";

/** Who asks: tokens that anybody gets, tokens of our own, and credentials by their hash. */
export interface Identities {
  readonly anonymous: AnonymousTokens;
  readonly own: OwnTokens;
  readonly credential: (text: string) => CredentialId;
  /** A key for one purpose, the same after a restart. */
  readonly keyFor: (purpose: string) => Buffer;
}

export function createIdentities({ keys, share }: Instance, clock: Clock): Identities {
  return {
    anonymous: createAnonymousTokens(clock, undefined, share),
    own: createOwnTokens(keys.token),
    credential: createCredentialHash(keys.credential),
    keyFor: (purpose) => deriveKey(keys.token, purpose),
  };
}

export interface AccessNeeds {
  readonly identities: Identities;
  readonly credentials: Credentials;
  readonly policy: Policy;
  readonly instance: Instance;
  readonly upstream: Upstream;
  readonly clock: Clock;
}

/** The way out for everything that is served, and who may be served what is held. */
export interface AccessParts {
  readonly fetch: Fetch;
  readonly access: Access;
  readonly offline: Offline;
  readonly standing: Standing;
}

export function createAccess(config: Config, needs: AccessNeeds): AccessParts {
  const { identities, credentials, policy, upstream, clock } = needs;
  const { cache, coalesce, leaders, shapes, share } = needs.instance;
  const { anonymous, own, credential } = identities;
  const anonymously = createAnonymousFetch({ fetch: upstream.fetch, clock, isPlain: upstream.isPlain, share });
  const outward = withoutOwnTokens(upstream.fetch, anonymously, own.isOwn);
  const fetch: Fetch = async (request) => {
    const response = await outward(request);
    // Clients such as containerd learn a challenge from the content that they ask for, and never ask for /v2/.
    if (response.status === 401 && request.authorization === undefined) void offline.noteChallenge(request, response);
    return response;
  };
  const intercepts: ConstructorParameters<typeof Offline>[0]["intercepts"] = ({ scheme, host, port }) =>
    policy.intercepts(scheme, host, port) !== undefined;
  const injects = (origin: Origin): boolean => credentials(origin) !== undefined;
  const offline = new Offline({ fetch, shapes, own, anonymous, clock, intercepts, injects });
  const { publicTtl, grantTtl } = config;
  const access = new Access({
    fetch,
    anonymously,
    records: createAccessRecords({ clock, kept: cache.records, publicTtl, grantTtl, share }),
    share,
    leaders,
    coalesce,
    clock,
    mode: config.cacheAccess,
    staleIfError: config.staleIfError,
    credential,
    injects,
    anonymousUntil: anonymous.until,
    isOwnToken: own.isOwn,
  });
  const standing = createStanding({ fetch, shapes, coalesce, clock, share });
  return { fetch, access, offline, standing };
}
