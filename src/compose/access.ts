import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AnonymousTokens, createAnonymousTokens } from "../auth/anonymous.ts";
import type { Credentials } from "../auth/credentials.ts";
import { createAccessRecords, createCredentialHash, type CredentialId } from "../auth/grants.ts";
import { createOwnTokens, deriveTokenKey, type OwnTokens } from "../auth/own-token.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../observe/log.ts";
import type { Policy } from "../policy/policy.ts";
import { Access } from "../serve/access.ts";
import { createAnonymousFetch } from "../serve/anonymous-fetch.ts";
import { Offline, withoutOwnTokens } from "../serve/offline.ts";
import { openShapes } from "../serve/shapes.ts";
import type { Upstream } from "../upstream/client.ts";
import type { Fetch } from "../upstream/types.ts";
import type { Cache } from "./cache.ts";
import type { Coalesce } from "./coalesce.ts";

/** Who asks: tokens that anybody gets, tokens of our own, and credentials by their hash. */
export interface Identities {
  readonly anonymous: AnonymousTokens;
  readonly own: OwnTokens;
  readonly credential: (text: string) => CredentialId;
}

export async function openIdentities(config: Config, clock: Clock): Promise<Identities> {
  const keyFile = config.caKeyFile ?? join(config.caDir, "ca.key");
  // The CA was opened from that file; where it cannot be read once more, tokens of our own end with this process.
  const key = await readFile(keyFile).then(deriveTokenKey, () => randomBytes(32));
  return { anonymous: createAnonymousTokens(clock), own: createOwnTokens(key), credential: createCredentialHash() };
}

export interface AccessNeeds {
  readonly identities: Identities;
  readonly credentials: Credentials;
  readonly policy: Policy;
  readonly cache: Cache;
  readonly upstream: Upstream;
  readonly coalesce: Coalesce;
  readonly clock: Clock;
  readonly log: Log;
}

/** The way out for everything that is served, and who may be served what is held. */
export interface AccessParts {
  readonly fetch: Fetch;
  readonly access: Access;
  readonly offline: Offline;
}

export function createAccess(config: Config, needs: AccessNeeds): AccessParts {
  const { identities, credentials, policy, cache, upstream, coalesce, clock, log } = needs;
  const { anonymous, own, credential } = identities;
  const anonymously = createAnonymousFetch({ fetch: upstream.fetch, clock, isPlain: upstream.isPlain });
  const outward = withoutOwnTokens(upstream.fetch, anonymously, own.isOwn);
  const fetch: Fetch = async (request) => {
    const response = await outward(request);
    // Clients such as containerd learn a challenge from the content that they ask for, and never ask for /v2/.
    if (response.status === 401 && request.authorization === undefined)
      void offline.noteChallenge(request.origin, response);
    return response;
  };
  const shapes = openShapes(join(cache.directory, "shapes.json"), (error) => {
    log.warn(
      { err: error, event: "shapes" },
      "How registries answered could not be kept for an outage after a restart.",
    );
  });
  const intercepts: ConstructorParameters<typeof Offline>[0]["intercepts"] = ({ scheme, host, port }) =>
    policy.intercepts(scheme, host, port) !== undefined;
  const offline = new Offline({ fetch, shapes, own, anonymous, clock, intercepts });
  const { publicTtl, grantTtl } = config;
  const access = new Access({
    fetch,
    anonymously,
    records: createAccessRecords({ clock, kept: cache.records, publicTtl, grantTtl }),
    coalesce,
    clock,
    mode: config.cacheAccess,
    staleIfError: config.staleIfError,
    credential,
    injects: (origin) => credentials(origin) !== undefined,
    anonymousUntil: anonymous.until,
    isOwnToken: own.isOwn,
  });
  return { fetch, access, offline };
}
