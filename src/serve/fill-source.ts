import type { FillSource } from "../cache/types.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentLength, first } from "../core/headers.ts";
import { blobMediaType } from "../core/media-types.ts";
import { parseContentRange } from "../core/range.ts";
import type { UpstreamResponse } from "../upstream/types.ts";

/** What a flight takes from an upstream's answer of 200 or 206. Throws UPSTREAM_PROTOCOL where that does not say what it is. */
export function sourceOf(response: UpstreamResponse): FillSource {
  const mediaType = first(response.headers["content-type"]) ?? blobMediaType;
  const length = contentLength(response.headers);
  // A weak tag does not say that the bytes are the same.
  const etag = first(response.headers.etag);
  const validator = etag?.startsWith('"') === true ? etag : undefined;
  if (response.status === 200) return { size: length, mediaType, validator, offset: 0, body: response.body };
  const range = parseContentRange(first(response.headers["content-range"]));
  if (range === undefined) {
    response.body.destroy();
    throw new EntrepotError("UPSTREAM_PROTOCOL", "The registry answered 206 without a Content-Range that can be read.");
  }
  return { size: range.size, mediaType, validator, offset: range.first, body: response.body };
}
