/** Media types of manifests: OCI image 1.1 "Media Types", Docker image manifest v2 schemas 1 and 2. */
export const manifestMediaTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
  "application/vnd.docker.distribution.manifest.v1+json",
] as const;

/** What a blob is served as where its registry did not say. */
export const blobMediaType = "application/octet-stream";

/** Whether an Accept header names a type, or all. A range such as `application/*` names none that a registry would choose by. */
export function isAccepted(mediaType: string, header: string | undefined): boolean {
  const named = new Set(
    acceptKey(header)
      .split(",")
      .map((type) => type.replace(/;.*$/, "")),
  );
  return named.has("*/*") || named.has(mediaType.toLowerCase().replace(/\s*;.*$/, ""));
}

/**
 * An Accept header as a part of a cache key: the same tag has several bodies, and which one is sent depends on
 * this header alone. Order and case do not count between types of equal weight; a weight does.
 */
export function acceptKey(header: string | undefined): string {
  if (header === undefined) return "*/*";
  const types = header
    .split(",")
    .map((type) =>
      type
        .trim()
        .toLowerCase()
        .replace(/\s*;\s*/g, ";"),
    )
    .filter((type) => type !== "");
  return types.length === 0 ? "*/*" : [...new Set(types)].toSorted().join(",");
}
