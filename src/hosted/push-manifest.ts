import type { IncomingMessage } from "node:http";
import { algorithmOf, type Digest, digestOf } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentLength, first } from "../core/headers.ts";
import { formatSize } from "../core/units.ts";
import type { Exchange } from "../serve/exchange.ts";
import { sendDone } from "./answer.ts";
import type { Blobs } from "./blobs.ts";
import { descriptorOf, type Manifest, readManifest } from "./manifest.ts";
import type { Repositories, Repository } from "./repository.ts";

export interface ManifestPushParts {
  readonly blobs: Blobs;
  readonly repositories: Repositories;
}

/** Bytes. OCI distribution 1.1, "Pushing Manifests": at least 4 megabytes are to be expected. */
const largestManifest = 8 * 1024 * 1024;

/** PUT of a manifest, by tag or by digest. */
export async function pushManifest(
  { blobs, repositories }: ManifestPushParts,
  exchange: Exchange,
  name: string,
  reference: { readonly tag?: string; readonly digest?: Digest },
): Promise<void> {
  const bytes = await readBody(exchange);
  const digest = digestOf(bytes, reference.digest === undefined ? "sha256" : algorithmOf(reference.digest));
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new EntrepotError("DIGEST_INVALID", "The manifest does not have the digest that it was pushed under.", {
      detail: { digest: reference.digest },
    });
  }
  const manifest = readManifest(bytes, first(exchange.request.headers["content-type"]));
  const repository = repositories.get(name);
  await requireAll(blobs, repository, manifest);
  await repository.enter(name);
  await repository.putManifest(digest, { mediaType: manifest.mediaType, bytes });
  // From here on the collector sees who refers to the content. Until here it may have looked away, so what is referred to is asked for again.
  await requireAll(blobs, repository, manifest);
  await repository.enter(name);
  if (manifest.subject !== undefined) {
    await repository.addReferrer(manifest.subject, descriptorOf(manifest, digest, bytes.length));
  }
  if (reference.tag !== undefined) await repository.putTag(reference.tag, digest);
  sendDone(exchange, 201, {
    location: `/v2/${name}/manifests/${reference.tag ?? digest}`,
    "docker-content-digest": digest,
    ...(manifest.subject !== undefined && { "oci-subject": manifest.subject }),
  });
}

/** Keeps from the collector all that a manifest refers to. Throws MANIFEST_BLOB_UNKNOWN that names what is not in its repository. */
async function requireAll(blobs: Blobs, repository: Repository, manifest: Manifest): Promise<void> {
  const missing: Digest[] = [];
  for (const digest of new Set(manifest.blobs)) {
    if (!(await repository.keepBlob(digest)) || !(await blobs.keep(digest))) missing.push(digest);
  }
  for (const digest of new Set(manifest.manifests)) {
    if (!(await repository.hasManifest(digest))) missing.push(digest);
  }
  if (missing.length === 0) return;
  throw new EntrepotError(
    "MANIFEST_BLOB_UNKNOWN",
    `The manifest refers to ${missing.length === 1 ? "something" : `${missing.length} things`} that this repository does not have; push that first.`,
    { detail: { digest: missing[0], digests: missing } },
  );
}

async function readBody({ request, signal }: Exchange): Promise<Buffer> {
  if ((contentLength(request.headers) ?? 0) > largestManifest) throw tooLarge();
  return await collect(request, signal);
}

function collect(body: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const end = (error: Error | undefined): void => {
      body.off("data", take);
      signal.removeEventListener("abort", gone);
      if (error === undefined) resolve(Buffer.concat(pieces, length));
      else reject(error);
    };
    const take = (piece: Buffer): void => {
      pieces.push(piece);
      length += piece.length;
      if (length <= largestManifest) return;
      body.pause();
      end(tooLarge());
    };
    const gone = (): void => {
      if (!body.readableEnded) end(new EntrepotError("CANCELLED", "The client went away during its push."));
    };
    body.on("data", take);
    body.once("end", () => end(undefined));
    body.once("close", gone);
    signal.addEventListener("abort", gone);
  });
}

/** OCI distribution 1.1, "Pushing Manifests". */
function tooLarge(): EntrepotError {
  return new EntrepotError("SIZE_INVALID", `A manifest has at most ${formatSize(largestManifest)}.`, { status: 413 });
}
