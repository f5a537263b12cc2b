import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { MemoryBody } from "../core/memory-body.ts";
import { blobMediaType } from "../core/media-types.ts";
import type { Exchange } from "../serve/exchange.ts";
import { sendContent } from "./answer.ts";
import type { Blobs } from "./blobs.ts";
import type { Repositories, Repository } from "./repository.ts";

export interface PullParts {
  readonly blobs: Blobs;
  readonly repositories: Repositories;
}

/** GET and HEAD of a blob. */
export async function pullBlob(
  { blobs, repositories }: PullParts,
  exchange: Exchange,
  name: string,
  digest: Digest,
): Promise<void> {
  const repository = repositories.get(name);
  // Who asks by HEAD may be about to push a manifest that refers to it.
  const isHead = exchange.request.method === "HEAD";
  const isHere = isHead
    ? (await repository.keepBlob(digest)) && (await blobs.keep(digest))
    : await repository.hasBlob(digest);
  const body = isHere ? await blobs.open(digest) : undefined;
  if (body === undefined) {
    throw new EntrepotError("BLOB_UNKNOWN", "This repository has no such blob.", { detail: { digest } });
  }
  await sendContent(exchange, { digest, mediaType: blobMediaType }, body);
}

/** GET and HEAD of a manifest, by tag or by digest. */
export async function pullManifest(
  { repositories }: PullParts,
  exchange: Exchange,
  name: string,
  reference: { readonly tag?: string; readonly digest?: Digest },
): Promise<void> {
  const repository = repositories.get(name);
  const digest = reference.digest ?? (await repository.tag(reference.tag ?? ""));
  const manifest = digest === undefined ? undefined : await repository.manifest(digest);
  if (digest === undefined || manifest === undefined) throw await unknownManifest(repository);
  await sendContent(exchange, { digest, mediaType: manifest.mediaType }, new MemoryBody(manifest.bytes));
}

export async function unknownManifest(repository: Repository): Promise<EntrepotError> {
  return (await repository.exists())
    ? new EntrepotError("MANIFEST_UNKNOWN", "This repository has no such manifest or tag.")
    : unknownName();
}

export function unknownName(): EntrepotError {
  return new EntrepotError("NAME_UNKNOWN", "There is no such repository here.");
}
