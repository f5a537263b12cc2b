import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface ArtifactOptions {
  /** Of the manifest; left out where the config's media type says it. */
  readonly artifactType?: string;
  readonly config: { readonly mediaType: string; readonly content: string };
  readonly layers: readonly { readonly mediaType: string; readonly content: string }[];
  /** What it is attached to. */
  readonly subject?: { readonly digest: string; readonly size: number };
}

export interface Artifact {
  /** As skopeo takes it: `oci:<directory>`. */
  readonly layout: string;
  /** The manifest's. */
  readonly digest: string;
  /** The manifest's, in bytes. */
  readonly size: number;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";

/** Something that is no image, in an OCI image layout (OCI image 1.1, "Guidelines for Artifact Usage"). */
export function makeArtifact(directory: string, options: ArtifactOptions): Artifact {
  const blobs = join(directory, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (mediaType: string, content: string) => {
    const hex = createHash("sha256").update(content).digest("hex");
    writeFileSync(join(blobs, hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(content) };
  };
  const { artifactType, config, layers, subject } = options;
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    ...(artifactType !== undefined && { artifactType }),
    config: put(config.mediaType, config.content),
    layers: layers.map(({ mediaType, content }) => put(mediaType, content)),
    ...(subject && { subject: { mediaType: manifestType, ...subject } }),
  };
  const stored = put(manifestType, JSON.stringify(manifest));
  writeFileSync(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [stored] }));
  return { layout: directory, digest: stored.digest, size: stored.size };
}
