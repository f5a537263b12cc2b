import { type Digest, parseDigest } from "../core/digest.ts";

/** No image has more layers, and no index more platforms; who sends more wants something else. */
const mostReferences = 1000;

/** What a manifest says of something that it refers to. */
export interface Reference {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number | undefined;
}

/**
 * The digests that a manifest or index refers to (OCI image 1.1 §"Image Manifest", §"Image Index"; Docker's have the same fields). Nothing
 * where the bytes are no such thing.
 */
export function referencesOf(manifest: Buffer): Reference[] {
  const { config, layers, manifests } = manifestFields(manifest);
  const entries = [config, ...listOf(layers), ...listOf(manifests)].slice(0, mostReferences);
  return entries.flatMap((entry) => {
    const { digest: text, size } = fieldsOf(entry);
    const digest = typeof text === "string" ? parseDigest(text) : undefined;
    if (digest === undefined) return [];
    return [{ digest, size: typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : undefined }];
  });
}

/** The fields of a manifest; none where the bytes are no JSON object. */
export function manifestFields(manifest: Buffer): Record<string, unknown> {
  try {
    return fieldsOf(JSON.parse(manifest.toString("utf8")));
  } catch {
    return {};
  }
}

export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
