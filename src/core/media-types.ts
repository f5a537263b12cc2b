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
  return named.has("*/*") || named.has(bare(mediaType));
}

function bare(mediaType: string): string {
  return mediaType.toLowerCase().replace(/\s*;.*$/, "");
}

/** A registry that is offered all of these has nothing to convert: it sends what the tag is. */
const current: ReadonlySet<string> = new Set(manifestMediaTypes.slice(0, 4));

/**
 * Whether a registry that chose `mediaType` for the Accept of this key has to choose it for the other Accept as well. Its choice is taken
 * to depend on the types offered alone. So it has, where both offer all that a tag can be today, or where the other one names that type and
 * offers nothing that the first did not. An asterisk is no such name: to who sends it alone, docker-registry sends schema 1.
 */
export function isChosenAlike(mediaType: string, key: string, other: string | undefined): boolean {
  const offered = new Set(key.split(","));
  const asked = new Set(acceptKey(other).split(","));
  const type = bare(mediaType);
  if (!asked.has(type)) return false;
  if (asked.isSubsetOf(offered)) return true;
  return current.has(type) && current.isSubsetOf(offered) && current.isSubsetOf(asked);
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
