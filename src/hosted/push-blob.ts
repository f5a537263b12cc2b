import { type Digest, parseDigest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentLength } from "../core/headers.ts";
import type { Exchange } from "../serve/exchange.ts";
import { type ResponseHeaders, sendError } from "../serve/write.ts";
import { queryOf, sendDone } from "./answer.ts";
import type { Blobs } from "./blobs.ts";
import { writeBody } from "./receive.ts";
import type { Repositories } from "./repository.ts";
import type { Upload } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

export interface BlobPushParts {
  readonly blobs: Blobs;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
}

/** POST: begins an upload, or takes a whole blob, or makes one of another repository's readable here (OCI distribution 1.1, "Pushing blobs"). */
export async function beginUpload(parts: BlobPushParts, exchange: Exchange, name: string): Promise<void> {
  const query = queryOf(exchange);
  const mount = query.get("mount");
  if (mount !== null && (await tryMount(parts, name, mount, query.get("from")))) {
    sendCreated(exchange, name, mount);
    return;
  }
  const digest = query.get("digest");
  const wanted = digest === null ? undefined : requireDigest(digest);
  const session = await parts.uploads.create(name);
  if (wanted === undefined) {
    sendDone(exchange, 202, uploadHeaders(name, session, 0));
    return;
  }
  const upload = await parts.uploads.claim(name, session, exchange.signal);
  try {
    await takeBody(exchange, upload, undefined);
  } catch (error) {
    await upload.discard();
    throw error;
  }
  await finish(parts, upload, name, wanted);
  sendCreated(exchange, name, wanted);
}

/** PATCH: the next bytes, with or without a Content-Range. */
export async function continueUpload(
  parts: BlobPushParts,
  exchange: Exchange,
  name: string,
  session: string,
): Promise<void> {
  const size = await receive(parts, exchange, name, session, async (upload) => {
    await upload.release();
    return upload.size;
  });
  if (size !== undefined) sendDone(exchange, 202, uploadHeaders(name, session, size));
}

/** PUT: the last bytes, if any, and the digest of the whole. */
export async function endUpload(
  parts: BlobPushParts,
  exchange: Exchange,
  name: string,
  session: string,
): Promise<void> {
  const digest = requireDigest(queryOf(exchange).get("digest") ?? "");
  const created = await receive(parts, exchange, name, session, async (upload) => {
    await finish(parts, upload, name, digest);
    return true;
  });
  if (created === true) sendCreated(exchange, name, digest);
}

/**
 * Takes a request's body to an upload that was begun, and then has `end` let go of it. Undefined where it is not what comes next, which the
 * client has been told.
 */
async function receive<T>(
  { uploads }: BlobPushParts,
  exchange: Exchange,
  name: string,
  session: string,
  end: (upload: Upload) => Promise<T>,
): Promise<T | undefined> {
  const upload = await uploads.claim(name, session, exchange.signal);
  try {
    const range = rangeOf(exchange, upload);
    if (range !== "unsatisfiable") {
      await takeBody(exchange, upload, range);
      return await end(upload);
    }
  } finally {
    // Of no effect once `end` has let go of it. What came of a body that was cut stays, to be continued.
    await upload.release();
  }
  sendOutOfOrder(exchange, name, session, upload.size);
  return undefined;
}

export async function uploadStatus(
  parts: BlobPushParts,
  exchange: Exchange,
  name: string,
  session: string,
): Promise<void> {
  sendDone(exchange, 204, uploadHeaders(name, session, await parts.uploads.size(name, session)));
}

export async function cancelUpload(
  parts: BlobPushParts,
  exchange: Exchange,
  name: string,
  session: string,
): Promise<void> {
  await parts.uploads.cancel(name, session, exchange.signal);
  sendDone(exchange, 204);
}

/** Content first, the right to read it after: who dies in between leaves nothing but what the collector takes. */
async function finish(
  { blobs, repositories }: BlobPushParts,
  upload: Upload,
  name: string,
  digest: Digest,
): Promise<void> {
  await upload.finish(digest, async (path) => {
    await blobs.adopt(path, digest);
    await repositories.get(name).linkBlob(digest);
  });
}

/** Whether the content is readable under `name` now. Without `from` it may be any repository's: who may push here may read them all. */
async function tryMount(
  { blobs, repositories }: BlobPushParts,
  name: string,
  mount: string,
  from: string | null,
): Promise<boolean> {
  const digest = parseDigest(mount);
  if (digest === undefined) return false;
  if (from !== null && !(await repositories.get(from).keepBlob(digest))) return false;
  if (!(await blobs.keep(digest))) return false;
  await repositories.get(name).linkBlob(digest);
  // Whoever collects may have looked between the two.
  return await blobs.keep(digest);
}

interface ChunkRange {
  readonly first: number;
  readonly length: number;
}

/** What Content-Range says of the body; undefined where there is none. "unsatisfiable": it is not what comes next. Throws SIZE_INVALID. */
function rangeOf({ request }: Exchange, upload: Upload): ChunkRange | "unsatisfiable" | undefined {
  const header = request.headers["content-range"];
  if (header === undefined) return undefined;
  // OCI distribution 1.1 writes it bare, RFC 9110 §14.4 with its unit and the size of the whole.
  const [, from = "", to = ""] =
    /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim()) ?? [];
  if (from === "" || Number(from) !== upload.size || Number(to) < Number(from)) return "unsatisfiable";
  const length = Number(to) - Number(from) + 1;
  const stated = contentLength(request.headers);
  if (stated !== undefined && stated !== length) {
    throw new EntrepotError("SIZE_INVALID", "Content-Length is not the number of bytes that Content-Range names.");
  }
  return { first: Number(from), length };
}

/** Takes the request's body to the upload. */
async function takeBody(exchange: Exchange, upload: Upload, range: ChunkRange | undefined): Promise<void> {
  if (!exchange.hasBody) return;
  const before = upload.size;
  const signal = AbortSignal.any([exchange.signal, upload.signal]);
  try {
    await writeBody(exchange.request, upload, signal, range?.length ?? Number.POSITIVE_INFINITY);
  } finally {
    exchange.trace.received = upload.size - before;
  }
  if (range !== undefined && upload.size !== range.first + range.length) {
    throw new EntrepotError("SIZE_INVALID", "The body is shorter than its Content-Range says.");
  }
}

function requireDigest(text: string): Digest {
  const digest = parseDigest(text);
  if (digest !== undefined) return digest;
  const message =
    "An upload ends with ?digest=, which is 'sha256:' and 64, or 'sha512:' and 128, lower-case hexadecimal digits.";
  throw new EntrepotError("DIGEST_INVALID", message);
}

function uploadHeaders(name: string, session: string, size: number): ResponseHeaders {
  return {
    location: `/v2/${name}/blobs/uploads/${session}`,
    // Both ends are included, so that nothing and one byte are written alike; every registry does so.
    range: `0-${Math.max(0, size - 1)}`,
    "docker-upload-uuid": session,
  };
}

function sendOutOfOrder(exchange: Exchange, name: string, session: string, size: number): void {
  const message = `The next byte of this upload is number ${size}; Content-Range must begin there.`;
  sendError(
    exchange,
    new EntrepotError("BLOB_UPLOAD_INVALID", message, { status: 416 }),
    uploadHeaders(name, session, size),
  );
}

function sendCreated(exchange: Exchange, name: string, digest: string): void {
  sendDone(exchange, 201, { location: `/v2/${name}/blobs/${digest}`, "docker-content-digest": digest });
}
