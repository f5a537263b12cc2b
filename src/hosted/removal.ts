import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Exchange } from "../serve/exchange.ts";
import { sendDone } from "./answer.ts";
import { readManifest } from "./manifest.ts";
import { unknownManifest } from "./pull.ts";
import type { Repositories, Repository, StoredManifest } from "./repository.ts";

/** DELETE of a tag. The manifest stays. */
export async function deleteTag(
  repositories: Repositories,
  exchange: Exchange,
  name: string,
  tag: string,
): Promise<void> {
  const repository = repositories.get(name);
  if (!(await repository.removeTag(tag))) throw await unknownManifest(repository);
  sendDone(exchange, 202);
}

/** DELETE of a manifest, and with it of the tags that point to it. */
export async function deleteManifest(
  repositories: Repositories,
  exchange: Exchange,
  name: string,
  digest: Digest,
): Promise<void> {
  const repository = repositories.get(name);
  // Of one that has rotted nobody knows the subject; the collector finds what is left of it.
  const manifest = await repository.manifest(digest).catch(() => undefined);
  if (!(await repository.removeManifest(digest))) throw await unknownManifest(repository);
  await repository.dropDanglingTags(digest);
  if (manifest !== undefined) await forgetReferrer(repository, digest, manifest);
  sendDone(exchange, 202);
}

/** DELETE of a blob: it can no longer be read here. Its bytes are the collector's to remove, since others may have them too. */
export async function deleteBlob(
  repositories: Repositories,
  exchange: Exchange,
  name: string,
  digest: Digest,
): Promise<void> {
  if (!(await repositories.get(name).unlinkBlob(digest))) {
    throw new EntrepotError("BLOB_UNKNOWN", "This repository has no such blob.", { detail: { digest } });
  }
  sendDone(exchange, 202);
}

async function forgetReferrer(
  repository: Repository,
  digest: Digest,
  { bytes, mediaType }: StoredManifest,
): Promise<void> {
  const { subject } = readManifest(bytes, mediaType);
  if (subject !== undefined) await repository.dropReferrer(subject, digest);
}
