import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { Digest } from "../core/digest.ts";
import type { Origin } from "../core/origin.ts";
import { ownMaps, type Share } from "../core/shared-map.ts";

declare const brand: unique symbol;

/** A credential as a key: a keyed hash of an Authorization, from which nobody gets back to it. */
export type CredentialId = string & { readonly [brand]: "credential" };

/** Hashes under a key of this instance, which several workers share; random unless given. */
export function createCredentialHash(key: Buffer = randomBytes(32)): (authorization: string) => CredentialId {
  return (authorization) => createHmac("sha256", key).update(authorization).digest("base64url") as CredentialId;
}

/** A repository of a registry. */
export interface Place {
  readonly origin: Origin;
  readonly repository: string;
}

/**
 * What upstreams have proven of repositories and credentials. A port: the primary of several workers can serve it, so all of it is
 * asynchronous. Nothing here rejects. Times are milliseconds since the epoch; undefined: never proven, or forgotten.
 */
export interface AccessRecords {
  /** What is known at once. Of a digest, or of a tag, which was confirmed when it was resolved. */
  now(place: Place, credential: CredentialId | undefined, digest: Digest | undefined): KnownRight;
  /** When the repository's being public ends; may be past, and counts in an outage even then. */
  publicUntil(place: Place): Promise<number | undefined>;
  /** When it was last served to a credential of ours, likewise. */
  sharedUntil(place: Place): Promise<number | undefined>;
  /** When this credential's right to read the repository ends. */
  grantUntil(credential: CredentialId, place: Place): Promise<number | undefined>;
  /**
   * Whether the registry confirmed that the digest belongs to the repository; or a manifest of it refers to the digest, and the registry shows the
   * same bytes to everybody in a public repository. A reference alone proves nothing: who may push to one repository may refer to what is in another.
   */
  isMember(place: Place, digest: Digest): Promise<boolean>;
  /** `digest`: what was read; without one the mark does not survive a restart. */
  notePublic(place: Place, digest: Digest | undefined): Promise<void>;
  noteShared(place: Place): Promise<void>;
  /** `expires`: of the credential itself, where that is known; no grant outlives it. */
  noteGrant(credential: CredentialId, place: Place, expires?: number): Promise<void>;
  /** The registry refused this credential. */
  dropGrant(credential: CredentialId, place: Place): Promise<void>;
  noteMember(place: Place, digest: Digest): Promise<void>;
  /** A manifest of the repository refers to these. */
  noteReferenced(place: Place, digests: readonly Digest[]): Promise<void>;
  /** The registry no longer knows the digest there. */
  dropMember(place: Place, digest: Digest): Promise<void>;
}

/** What memory alone knows of a right to read; `member` false may mean that it has to be looked up. */
export interface KnownRight {
  readonly publicUntil: number | undefined;
  readonly sharedUntil: number | undefined;
  readonly grantUntil: number | undefined;
  readonly member: boolean;
}

interface PlaceKeys {
  readonly digest: Digest | undefined;
  readonly public: string;
  readonly place: string;
  readonly member: string | undefined;
}

/** The part of cache's Records that is used: facts that survive a restart, collected when the content that they are about is gone. */
export interface KeptFacts {
  /** What memory knows by a key; the disk is not asked. */
  hot(key: string): { readonly checked: number } | undefined;
  get(key: string): Promise<{ readonly checked: number } | undefined>;
  put(key: string, fact: KeptFact): Promise<void>;
  delete(key: string): Promise<void>;
}

interface KeptFact {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  readonly checked: number;
}

export interface AccessRecordsOptions {
  readonly clock: Clock;
  readonly kept: KeptFacts;
  /** Milliseconds. */
  readonly publicTtl: number;
  /** Milliseconds. */
  readonly grantTtl: number;
  /** Repositories, and pairs of credential and repository, that are remembered; 50,000 unless given. */
  readonly max?: number;
  /** Maps of this process alone unless given. */
  readonly share?: Share;
}

/** In memory, bounded; what is public and what belongs where also in `kept`. Grants end with the instance. */
export function createAccessRecords(options: AccessRecordsOptions): AccessRecords {
  const { clock, kept, publicTtl, grantTtl } = options;
  const max = options.max ?? 50_000;
  const share = options.share ?? ownMaps;
  const publicSince = share<number>("public", max);
  const sharedSince = share<number>("shared", max);
  const grants = share<number>("grants", max);

  /** Of those who are asked about again and again with the same object: putting a key together and hashing it costs more than the look. */
  const keysOf = new WeakMap<Place, PlaceKeys>();

  /** A proof from the future is one of a clock that was set back since: its age is not known, so that it has ended. */
  const publicEnd = (since: number | undefined): number | undefined =>
    since === undefined ? undefined : since > clock.now() ? clock.now() : since + publicTtl;
  const get = (key: string): Promise<{ readonly checked: number } | undefined> => kept.get(key).catch(() => undefined);
  const put = async (key: string, digest: Digest): Promise<void> => {
    const fact = { digest, mediaType: factMediaType, size: 0, checked: clock.now() };
    await kept.put(key, fact).catch(() => undefined);
  };
  const publicUntil = async (place: Place): Promise<number | undefined> => {
    const key = publicKey(place);
    let since = publicSince.get(key);
    if (since === undefined) {
      since = (await get(key))?.checked;
      if (since !== undefined) publicSince.set(key, since);
    }
    return publicEnd(since);
  };

  const grantEnd = (credential: CredentialId, place: Place): number | undefined => {
    const key = grantKey(credential, place);
    const until = grants.get(key);
    // A clock that was set back must not lengthen it.
    if (until !== undefined && until - clock.now() > grantTtl) grants.delete(key);
    return grants.peek(key);
  };

  return {
    now(place, credential, digest) {
      let keys = keysOf.get(place);
      if (keys === undefined || keys.digest !== digest) {
        keys = {
          digest,
          public: publicKey(place),
          place: placeKey(place),
          member: digest === undefined ? undefined : memberKey(place, digest),
        };
        keysOf.set(place, keys);
      }
      return {
        publicUntil: publicEnd(publicSince.get(keys.public)),
        sharedUntil: publicEnd(sharedSince.get(keys.place)),
        grantUntil: credential === undefined ? undefined : grantEnd(credential, place),
        member: keys.member === undefined || kept.hot(keys.member) !== undefined,
      };
    },

    publicUntil,

    async sharedUntil(place) {
      return publicEnd(sharedSince.get(placeKey(place)));
    },

    grantUntil: async (credential, place) => grantEnd(credential, place),

    async isMember(place, digest) {
      if ((await get(memberKey(place, digest))) !== undefined) return true;
      if ((await get(referenceKey(place, digest))) === undefined) return false;
      const end = publicEnd((await get(openKey(place, digest)))?.checked);
      return end !== undefined && clock.now() < end;
    },

    async notePublic(place, digest) {
      const key = publicKey(place);
      publicSince.set(key, clock.now());
      if (digest !== undefined) await put(key, digest);
      await publicSince.settled();
    },

    async noteShared(place) {
      sharedSince.set(placeKey(place), clock.now());
      await sharedSince.settled();
    },

    async noteGrant(credential, place, expires = Number.POSITIVE_INFINITY) {
      grants.set(grantKey(credential, place), Math.min(clock.now() + grantTtl, expires));
      await grants.settled();
    },

    async dropGrant(credential, place) {
      grants.delete(grantKey(credential, place));
      await grants.settled();
    },

    async noteMember(place, digest) {
      const until = await publicUntil(place);
      const keys = [memberKey(place, digest)];
      if (until !== undefined && clock.now() < until) keys.push(openKey(place, digest));
      await Promise.all(keys.map((key) => put(key, digest)));
    },

    async noteReferenced(place, digests) {
      await Promise.all(digests.map((digest) => put(referenceKey(place, digest), digest)));
    },

    async dropMember(place, digest) {
      await kept.delete(memberKey(place, digest)).catch(() => undefined);
    },
  };
}

/** Marks an entry of the index as a fact of access, for whoever reads it. */
const factMediaType = "application/vnd.entrepot.access";

/** No part of the keys holds a "|": neither names of origins, nor repositories, nor digests, nor base64. */
function placeKey({ origin, repository }: Place): string {
  return `${origin.name}|${repository}`;
}

function publicKey(place: Place): string {
  return `public|${placeKey(place)}`;
}

function memberKey(place: Place, digest: Digest): string {
  return `member|${placeKey(place)}|${digest}`;
}

function referenceKey(place: Place, digest: Digest): string {
  return `reference|${placeKey(place)}|${digest}`;
}

/** The registry shows these bytes to everybody, in one repository or another. */
function openKey({ origin }: Place, digest: Digest): string {
  return `open|${origin.name}|${digest}`;
}

function grantKey(credential: CredentialId, place: Place): string {
  return `${credential}|${placeKey(place)}`;
}

/**
 * When a bearer token expires by its own word, in milliseconds since the epoch; undefined for anything but a JWT with an `exp` (RFC 7519
 * §4.1.4). Not verified, so it is good for shortening alone.
 */
export function expiryOf(authorization: string): number | undefined {
  const claims = /^bearer +[\w-]+\.([\w-]+)\.[\w-]*$/i.exec(authorization)?.[1];
  if (claims === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
    if (typeof parsed !== "object" || parsed === null || !("exp" in parsed)) return undefined;
    return typeof parsed.exp === "number" && Number.isFinite(parsed.exp) ? parsed.exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
