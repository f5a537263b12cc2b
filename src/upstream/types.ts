import type { Readable } from "node:stream";
import type { IncomingHttpHeaders } from "node:http";
import type { Origin } from "../core/origin.ts";

/** One request that the proxy makes of a registry. */
export interface UpstreamRequest {
  readonly origin: Origin;
  readonly method: string;
  /** As it goes on the request line: raw path and query. */
  readonly path: string;
  /**
   * End-to-end fields, lower-case names, without `host` and `authorization`. `accept-encoding: identity` is set by the client
   * of this interface where the body is to be cached.
   */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** The requester's own Authorization. It wins over an injected credential and goes to this origin alone. */
  readonly authorization: string | undefined;
  /** Whether a credential of ours may be sent where the requester sent none; true unless said otherwise. A push says otherwise. */
  readonly inject?: boolean;
  /**
   * Whether a challenge of the origin's own is answered with an anonymous token, where neither the requester sent an Authorization nor we hold one:
   * for requesters that do not know which registry they ask.
   */
  readonly anonymously?: boolean;
  /** The scope that a token for this request needs, e.g. `repository:library/app:pull`; undefined where none is. */
  readonly scope: string | undefined;
  /** Streamed. A request with a body is sent once: neither redirected nor repeated after a challenge. */
  readonly body?: Readable;
  /** Nobody else keeps a piece of that body: each one's memory is given back once it is sent. */
  readonly spend?: boolean;
  /** follow: 301, 302, 303, 307 and 308 are followed to the end. pass: they are the answer. */
  readonly redirects: "follow" | "pass";
  /** The body is large and will be poured where it can be: see Pourable. Of GETs without a body of their own. */
  readonly pour?: boolean;
  readonly signal: AbortSignal;
}

/** An answer whose head has arrived. The receiver reads `body` to its end or destroys it. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Names and values as they came, for passing on. */
  readonly rawHeaders: readonly string[];
  /** A Pourable where that was asked for and the way allows it. Errors out with UPSTREAM_WRONG_LENGTH where the connection ends early, UPSTREAM_TIMEOUT where it stalls. */
  readonly body: Readable;
  /** The origin that answered in the end; differs from the request's after a redirect. */
  readonly from: Origin;
  /** IP address and port of the peer that answered in the end. */
  readonly address: string | undefined;
  /** Requests sent in all: one, and one more for each redirect and each answered challenge. */
  readonly attempts: number;
  /** Whether a credential of ours was sent in place of the requester's, to whichever host on the way. */
  readonly injected: boolean;
}

/**
 * Sends a request and resolves with the head of the answer, whatever its status. Rejects with an EntrepotError: UPSTREAM_UNRESOLVED,
 * UPSTREAM_UNREACHABLE, UPSTREAM_TLS, UPSTREAM_PROTOCOL, UPSTREAM_REDIRECTS, UPSTREAM_TIMEOUT or CANCELLED.
 */
export type Fetch = (request: UpstreamRequest) => Promise<UpstreamResponse>;

/** What answers for credentials; `auth` implements it and `compose` hands it in. */
export interface Authorizer {
  /**
   * What to send to an origin where the requester sent no Authorization: a token (fetched first where an earlier challenge told
   * how), else Basic; undefined where nothing is configured, unless an anonymous token will do. Rejects with CANCELLED alone.
   */
  beforehand(request: Unauthenticated): Promise<Answered | undefined>;
  /**
   * What to repeat a request with after a 401: does the token exchange (single-flight, cached). Undefined where no exchange
   * is possible or it is refused. Rejects where the token service is out of order, as Fetch does.
   */
  answer(challenge: ChallengeAnswer): Promise<Answered | undefined>;
}

export interface Unauthenticated {
  readonly origin: Origin;
  readonly scope: string | undefined;
  /** See UpstreamRequest. */
  readonly anonymously: boolean;
  readonly signal: AbortSignal;
}

export interface ChallengeAnswer {
  readonly origin: Origin;
  /** The WWW-Authenticate header. */
  readonly challenge: string;
  readonly scope: string | undefined;
  /** Allows an exchange without a credential, as after a redirect to a registry that the requester does not know of. */
  readonly anonymous: boolean;
  /** The Authorization that was answered with the 401. */
  readonly refused: string | undefined;
  readonly signal: AbortSignal;
}

export interface Answered {
  readonly authorization: string;
  /** Whether a credential of ours stands behind it; false for an anonymous token. */
  readonly injected: boolean;
}
