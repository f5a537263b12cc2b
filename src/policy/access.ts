/** CACHE_ACCESS. verified: what is cached is served where its registry would serve it. shared: to everybody, as the old proxy did. */
export type AccessMode = "verified" | "shared";

/**
 * Who asks, as far as the proof of a right goes. nobody: without Authorization, and none of ours is sent in its place. ours: without
 * Authorization, and a credential of ours is sent. anonymous: with a token that was seen issued to nobody. own: with a token that we handed
 * out in an outage. credential: with any other Authorization.
 */
export type Requester = "nobody" | "ours" | "anonymous" | "own" | "credential";

export interface RequesterFacts {
  /** Whether the requester sent an Authorization. */
  readonly authorized: boolean;
  /** Whether that is a token of our own. */
  readonly own: boolean;
  /** Whether it is a token that was seen issued to an anonymous request. */
  readonly anonymous: boolean;
  /** Whether we hold a credential for the origin, which goes where the requester sends none. */
  readonly injects: boolean;
}

/** Pure. */
export function requesterOf({ authorized, own, anonymous, injects }: RequesterFacts): Requester {
  if (own) return "own";
  if (!authorized) return injects ? "ours" : "nobody";
  return anonymous ? "anonymous" : "credential";
}

/** What is known of one request for held content. Times are milliseconds since the epoch; undefined: never proven. */
export interface AccessFacts {
  readonly mode: AccessMode;
  readonly requester: Requester;
  /** The upstream served the repository to somebody anonymous; good until then. */
  readonly publicUntil: number | undefined;
  /** The upstream served it to a credential of ours; good until then. */
  readonly sharedUntil: number | undefined;
  /** The upstream served it to this very credential; good until then. */
  readonly grantUntil: number | undefined;
  /** Whether the upstream confirmed that the digest belongs to the repository. A tag was confirmed when it was resolved. */
  readonly member: boolean;
  readonly now: number;
}

/**
 * serve: from what we hold. ask: the upstream by HEAD, for this very thing, with the requester's own Authorization, and its answer decides.
 * probe: likewise, but anonymously on our part.
 */
export type AccessVerdict = "serve" | "ask" | "probe";

/**
 * Whether held content may be served without asking. Pure. A digest alone opens nothing: the requester must be known to read the repository,
 * and the digest to belong to it.
 */
export function decideAccess(facts: AccessFacts): AccessVerdict {
  if (facts.mode === "shared" || (facts.member && mayRead(facts))) return "serve";
  // A token of our own means nothing to the upstream, and is not shown to it.
  return facts.requester === "own" ? "probe" : "ask";
}

function mayRead({ requester, publicUntil, sharedUntil, grantUntil, now }: AccessFacts): boolean {
  if (isGood(publicUntil, now)) return true;
  if (requester === "ours") return isGood(sharedUntil, now);
  return requester === "credential" && isGood(grantUntil, now);
}

/**
 * Whether held content may be served while the upstream cannot be asked. Pure. What was public, or shared by the operator, stays so for
 * `staleIfError` (milliseconds) past its time; a grant ends with its time, since nobody can tell whether it was taken back.
 */
export function decideInOutage(facts: AccessFacts, staleIfError: number): boolean {
  const { publicUntil, sharedUntil } = facts;
  return (
    decideAccess({
      ...facts,
      publicUntil: publicUntil === undefined ? undefined : publicUntil + staleIfError,
      sharedUntil: sharedUntil === undefined ? undefined : sharedUntil + staleIfError,
    }) === "serve"
  );
}

/** What an upstream's answer of 200 proves of the repository that was asked. */
export type Proof = "public" | "shared" | "grant";

/**
 * Pure. `injected`: a credential of ours was sent, to whichever host on the way; then nothing is public, whoever asked.
 */
export function proofOf(requester: Requester, injected: boolean): Proof {
  if (requester === "credential") return "grant";
  return injected || requester === "ours" ? "shared" : "public";
}

/**
 * Whether it pays to find out by a probe of our own that a repository is public, after its upstream served it to a credential: the next
 * token then needs no HEAD, and an outage finds it known. `probedUntil`: an earlier probe that found it is not; good until then. Pure.
 */
export function isWorthProbing(facts: AccessFacts, probedUntil: number | undefined): boolean {
  const { mode, requester, publicUntil, now } = facts;
  return mode === "verified" && requester === "credential" && !isGood(publicUntil, now) && !isGood(probedUntil, now);
}

function isGood(until: number | undefined, now: number): boolean {
  return until !== undefined && now < until;
}
