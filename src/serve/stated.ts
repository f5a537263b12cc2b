import { type Digest, parseDigest } from "../core/digest.ts";
import { EntrepotError, type ErrorCode, ociErrorBody } from "../core/errors.ts";
import { contentLength, first } from "../core/headers.ts";
import { blobMediaType } from "../core/media-types.ts";
import type { PullRequest } from "../policy/decide.ts";
import type { UpstreamResponse } from "../upstream/types.ts";
import { Refusal, refusalOf } from "./refusal.ts";

/** What an upstream says of content without sending it. */
export interface Stated {
  /** Bytes; undefined where it does not say. */
  readonly size: number | undefined;
  readonly mediaType: string;
  readonly digest: Digest | undefined;
}

/** Of the answer to a HEAD, or to a request for the first byte. */
export function statedBy({ status, headers }: Pick<UpstreamResponse, "status" | "headers">): Stated {
  const total = /\/(\d{1,15})$/.exec(first(headers["content-range"]) ?? "")?.[1];
  return {
    size: status === 206 ? (total === undefined ? undefined : Number(total)) : contentLength(headers),
    mediaType: first(headers["content-type"]) ?? blobMediaType,
    digest: parseDigest(first(headers["docker-content-digest"]) ?? ""),
  };
}

/** Whether that can be what was asked for, and what is held (`size` in bytes). A page that says 200 to everything is not. */
export function isWhatIsHeld(stated: Stated, request: PullRequest, size: number | undefined): boolean {
  if (request.digest !== undefined && stated.digest !== undefined && stated.digest !== request.digest) return false;
  return size === undefined || stated.size === undefined || stated.size === size;
}

/** The upstream's refusal. One of a HEAD has no body, and Docker's client wants one in the answer to its GET. */
export async function closedBy(response: UpstreamResponse, request: PullRequest): Promise<Refusal> {
  // Without the Authorization: nobody needs it, and a refusal is remembered.
  const refusal = await refusalOf(response, undefined);
  const code = codeOf(response.status, request);
  if (refusal.body.length > 0 || code === undefined) return refusal;
  const error = new EntrepotError(code, `The registry answered ${response.status}.`);
  const headers = { ...response.headers, "content-type": "application/json" };
  return new Refusal({ ...response, headers }, Buffer.from(ociErrorBody(error)), undefined);
}

function codeOf(status: number, { kind }: PullRequest): ErrorCode | undefined {
  if (status === 401) return "UNAUTHORIZED";
  if (status === 403) return "DENIED";
  if (status === 429) return "TOOMANYREQUESTS";
  if (status !== 404) return undefined;
  return kind === "blob" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN";
}
