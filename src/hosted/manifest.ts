import { type Digest, parseDigest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { fieldsOf, listOf } from "../serve/references.ts";

/** What a manifest says of itself and of what belongs to it. */
export interface Manifest {
  readonly mediaType: string;
  /** Content that must be here. */
  readonly blobs: readonly Digest[];
  /** Manifests that must be here: of an index, those of its platforms. */
  readonly manifests: readonly Digest[];
  /** What it is attached to, which need not be here. */
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, unknown>> | undefined;
}

/** An entry of an index (OCI image 1.1 §"Content Descriptors"), as a list of referrers has it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

const mediaTypeGrammar = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i;
const schema1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
/** Layers that their publisher's servers alone may hand out; a registry need not have them. */
const elsewhere = /nondistributable|\.foreign\./;

/**
 * Reads the bytes of a manifest (OCI image 1.1 §"Image Manifest", §"Image Index"; Docker's have the same fields). `contentType` is what it was
 * sent as. Throws MANIFEST_INVALID.
 */
export function readManifest(bytes: Buffer, contentType: string | undefined): Manifest {
  const fields = parse(bytes);
  const mediaType = mediaTypeOf(fields, contentType);
  const config = descriptor(fields["config"], "config");
  const layers = [...listed(fields, "layers"), ...listed(fields, "blobs")].filter(({ mayLack }) => !mayLack);
  const artifactType = textOf(fields["artifactType"]) ?? config?.mediaType;
  const annotations = fields["annotations"];
  return {
    mediaType,
    blobs: [...(config === undefined ? [] : [config]), ...layers].map(({ digest }) => digest),
    manifests: listed(fields, "manifests").map(({ digest }) => digest),
    subject: descriptor(fields["subject"], "subject")?.digest,
    artifactType,
    annotations: typeof annotations === "object" && annotations !== null ? { ...annotations } : undefined,
  };
}

export function descriptorOf(manifest: Manifest, digest: Digest, size: number): Descriptor {
  const { mediaType, artifactType, annotations } = manifest;
  return {
    mediaType,
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}

function parse(bytes: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw invalid("The manifest is no JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid("The manifest is no JSON object.");
  }
  return { ...value };
}

/** OCI distribution 1.1, "Pushing Manifests": parameters of Content-Type are ignored, and the manifest's own word must agree with it. */
function mediaTypeOf(fields: Record<string, unknown>, contentType: string | undefined): string {
  const sent = contentType?.replace(/;.*$/s, "").trim();
  const own = textOf(fields["mediaType"]);
  const mediaType = sent === undefined || sent === "" ? own : sent;
  if (mediaType === undefined) throw invalid("The manifest has neither a Content-Type nor a mediaType.");
  if (own !== undefined && own !== mediaType) {
    throw invalid("The manifest's mediaType is not the Content-Type that it was sent with.");
  }
  if (!mediaTypeGrammar.test(mediaType)) throw invalid("The manifest's Content-Type is no media type.");
  if (schema1.test(mediaType)) {
    throw invalid("Docker's manifests of schema 1 are not taken; push with a client of this decade.");
  }
  return mediaType;
}

interface Entry {
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  readonly mayLack: boolean;
}

function listed(fields: Record<string, unknown>, name: string): Entry[] {
  const value = fields[name];
  if (value !== undefined && value !== null && !Array.isArray(value)) {
    throw invalid(`The manifest's ${name} is no list.`);
  }
  return listOf(value).map((entry) => {
    const read = descriptor(entry, name);
    if (read === undefined) throw invalid(`An entry of the manifest's ${name} is empty.`);
    return read;
  });
}

function descriptor(value: unknown, where: string): Entry | undefined {
  if (value === undefined || value === null) return undefined;
  const { digest: text, mediaType, urls } = fieldsOf(value);
  const digest = typeof text === "string" ? parseDigest(text) : undefined;
  if (digest === undefined)
    throw invalid(`The manifest's ${where} has a descriptor without a digest that is known here.`);
  const type = textOf(mediaType);
  return { digest, mediaType: type, mayLack: listOf(urls).length > 0 && elsewhere.test(type ?? "") };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function invalid(message: string): EntrepotError {
  return new EntrepotError("MANIFEST_INVALID", message);
}
