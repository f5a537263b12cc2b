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
  let parsed: unknown;
  try {
    parsed = JSON.parse(manifest.toString("utf8"));
  } catch {
    return [];
  }
  const { config, layers, manifests } = fieldsOf(parsed);
  const entries = [config, ...listOf(layers), ...listOf(manifests)].slice(0, mostReferences);
  return entries.flatMap((entry) => {
    const { digest: text, size } = fieldsOf(entry);
    const digest = typeof text === "string" ? parseDigest(text) : undefined;
    if (digest === undefined) return [];
    return [{ digest, size: typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : undefined }];
  });
}

export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
