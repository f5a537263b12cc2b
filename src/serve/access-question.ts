import { type AccessRecords, type CredentialId, expiryOf, type Place } from "../auth/grants.ts";
import type { Digest } from "../core/digest.ts";
import type { HeaderValues } from "../core/headers.ts";
import { acceptKey } from "../core/media-types.ts";
import type { Origin } from "../core/origin.ts";
import { type AccessFacts, type AccessMode, type Requester, requesterOf } from "../policy/access.ts";
import type { PullRequest } from "../policy/decide.ts";
import { identityOf } from "./identity.ts";

/** Of a request, by lower-case name. */
export type RequestFields = HeaderValues & {
  readonly authorization?: string | undefined;
  readonly accept?: string | undefined;
};

/** Who wants what. Holds no credential but a hash of it. */
export interface Question {
  readonly place: Place;
  readonly requester: Requester;
  readonly credential: CredentialId | undefined;
  /** Of the credential, milliseconds since the epoch; undefined where nothing tells. */
  readonly expires: number | undefined;
  /** Undefined for a tag. */
  readonly digest: Digest | undefined;
  /** The same for those who would get the same answer. */
  readonly key: string;
}

export interface Knowledge {
  readonly credential: (identity: string) => CredentialId;
  /** Whether we hold a credential for an origin. */
  readonly injects: (origin: Origin) => boolean;
  /**
   * When a token that the registry's token service was seen to issue to an anonymous request expires, milliseconds since the epoch; undefined for
   * any other Authorization.
   */
  readonly anonymousUntil: (authorization: string, origin: Origin) => number | undefined;
  readonly isOwnToken: (authorization: string) => boolean;
}

/** Who asks, as far as the fields of a request tell. */
export interface Asker {
  readonly authorization: string | undefined;
  /** Whether the Authorization is all that tells. */
  readonly plain: boolean;
  readonly credential: CredentialId | undefined;
}

export function askerOf(knows: Knowledge, headers: RequestFields): Asker {
  const { authorization, text, plain } = identityOf(headers);
  return { authorization, plain, credential: text === undefined ? undefined : knows.credential(text) };
}

/** Whose right counts at an origin, and until when that holds. */
export function standingOf(
  knows: Knowledge,
  { authorization, plain, credential }: Asker,
  origin: Origin,
): { readonly requester: Requester; readonly anonymous: number | undefined } {
  const anonymous = authorization !== undefined && plain ? knows.anonymousUntil(authorization, origin) : undefined;
  const requester = requesterOf({
    authorized: credential !== undefined,
    own: authorization !== undefined && knows.isOwnToken(authorization),
    anonymous: anonymous !== undefined,
    injects: knows.injects(origin),
  });
  return { requester, anonymous };
}

export function questionOf(knows: Knowledge, headers: RequestFields, origin: Origin, request: PullRequest): Question {
  const asker = askerOf(knows, headers);
  const { authorization, credential } = asker;
  const { requester, anonymous } = standingOf(knows, asker, origin);
  const reference = request.kind === "manifest" ? (request.tag ?? request.digest) : request.digest;
  const accept = request.kind === "manifest" ? acceptKey(headers.accept) : "";
  const { repository } = request;
  return {
    place: { origin, repository },
    requester,
    credential,
    expires: authorization === undefined ? undefined : (anonymous ?? expiryOf(authorization)),
    digest: request.digest,
    key: [request.kind, origin.name, repository, reference, accept, credential ?? ""].join("|"),
  };
}

/** What is known that bears on a question. */
export async function factsOf(
  records: AccessRecords,
  mode: AccessMode,
  now: number,
  { place, requester, credential, digest }: Question,
): Promise<AccessFacts> {
  const nothing = { mode, requester, publicUntil: undefined, sharedUntil: undefined, grantUntil: undefined, now };
  if (mode === "shared") return { ...nothing, member: true };
  const [publicUntil, sharedUntil, grantUntil, member] = await Promise.all([
    records.publicUntil(place),
    requester === "ours" ? records.sharedUntil(place) : undefined,
    credential === undefined ? undefined : records.grantUntil(credential, place),
    digest === undefined ? true : records.isMember(place, digest),
  ]);
  return { ...nothing, publicUntil, sharedUntil, grantUntil, member };
}
