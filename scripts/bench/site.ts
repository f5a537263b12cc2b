import { createCipheriv, createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import type { Body, Image, Item } from "./load/job.ts";
import { MiB } from "./plan.ts";

/** What a case asks for, or pushes. */
export interface Content {
  readonly items: readonly Item[];
  readonly bodies: readonly Body[];
  /** What `items` are parts of. */
  readonly whole?: readonly Item[];
  readonly image?: Image;
}

/** The upstream's files, laid out as the URLs of OCI distribution 1.1, "Endpoints"; and files that are pushed. */
export class Site {
  /** What the upstream serves. */
  readonly root: string;
  readonly #bodies: string;
  readonly #kept = new Map<string, Content>();

  constructor(directory: string) {
    this.root = path.join(directory, "served");
    this.#bodies = path.join(directory, "pushed");
    mkdirSync(this.root);
    mkdirSync(this.#bodies);
  }

  /** Makes it the first time, and from then on returns the same. */
  once(name: string, make: () => Content): Content {
    const content = this.#kept.get(name) ?? make();
    this.#kept.set(name, content);
    return content;
  }

  /** Blobs of random bytes, so that nothing can compress or deduplicate them. */
  addBlobs(repository: string, size: number, count = 1): Content {
    const directory = this.#directory(repository, "blobs");
    const items = Array.from({ length: count }, (): Item => {
      const { file, sha256 } = writeRandom(directory, size);
      renameSync(file, path.join(directory, `sha256:${sha256}`));
      return { path: `/v2/${repository}/blobs/sha256:${sha256}`, bytes: size, sha256 };
    });
    return { items, bodies: [] };
  }

  /** `count` ranges of so many bytes, evenly spread and in no order, of the only blob of `whole`. */
  ranges(whole: Content, bytes: number, count: number): Content {
    const [blob] = whole.items;
    if (!blob) return whole;
    const file = openSync(path.join(this.root, blob.path), "r");
    const piece = Buffer.allocUnsafe(bytes);
    const items = Array.from({ length: count }, (_, index): Item => {
      // Steps of a third of the blob: neighbours in time are far apart in the file. The odd byte keeps them off the page's borders.
      const first = Math.floor(((index * 0.382) % 1) * (blob.bytes - bytes)) | 1;
      readSync(file, piece, 0, bytes, first);
      const sha256 = createHash("sha256").update(piece).digest("hex");
      return { path: blob.path, bytes, sha256, range: [first, first + bytes - 1] };
    });
    closeSync(file);
    return { items, bodies: [], whole: whole.items };
  }

  /** An image manifest of twelve layers, which is about what one of a real image weighs. */
  addManifest(repository: string): Content {
    // Nobody follows these, so any digest will do.
    const blob = (bytes: number): Described => ({ bytes, sha256: randomBytes(32).toString("hex") });
    const layers = Array.from({ length: 12 }, () => blob(32_654_321));
    return { items: [this.#putManifest(repository, blob(7_023), layers)], bodies: [] };
  }

  /** An image whose blobs are there, with a tag that names its digest, which is how the upstream knows that. */
  addImage(repository: string, layers: number, layerSize: number): Content {
    const config = this.addBlobs(repository, 7_023).items[0];
    const blobs = this.addBlobs(repository, layerSize, layers).items;
    if (!config) throw new Error("No config was made.");
    const manifest = this.#putManifest(repository, config, blobs);
    const directory = this.#directory(repository, "manifests");
    const tag = `v1-${manifest.sha256}`;
    copyFileSync(path.join(directory, `sha256:${manifest.sha256}`), path.join(directory, tag));
    const image = { tag: `/v2/${repository}/manifests/${tag}`, manifest, config, layers: blobs };
    return { items: [manifest, config, ...blobs], bodies: [], image };
  }

  /** Random bytes that are the load's, to be pushed, and to be pulled where they were. */
  addBodies(repository: string, size: number, count: number): Content {
    const bodies = Array.from({ length: count }, (): Body => ({ ...writeRandom(this.#bodies, size), bytes: size }));
    const items = bodies.map(({ bytes, sha256 }): Item => ({
      path: `/v2/${repository}/blobs/sha256:${sha256}`,
      bytes,
      sha256,
    }));
    return { items, bodies };
  }

  remove(content: Content): void {
    for (const item of content.items) rmSync(path.join(this.root, item.path), { force: true });
    for (const body of content.bodies) rmSync(body.file, { force: true });
  }

  /** OCI image spec 1.1, "Image Manifest". */
  #putManifest(repository: string, config: Described, layers: readonly Described[]): Item {
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor("application/vnd.oci.image.config.v1+json", config),
      layers: layers.map((layer) => descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)),
    });
    const sha256 = createHash("sha256").update(body).digest("hex");
    writeFileSync(path.join(this.#directory(repository, "manifests"), `sha256:${sha256}`), body);
    return { path: `/v2/${repository}/manifests/sha256:${sha256}`, bytes: Buffer.byteLength(body), sha256 };
  }

  #directory(repository: string, kind: string): string {
    const directory = path.join(this.root, "v2", repository, kind);
    mkdirSync(directory, { recursive: true });
    return directory;
  }
}

export const manifestType = "application/vnd.oci.image.manifest.v1+json";

type Described = Pick<Item, "bytes" | "sha256">;

/** OCI image spec 1.1, "Descriptor". */
function descriptor(mediaType: string, { bytes, sha256 }: Described): object {
  return { mediaType, digest: `sha256:${sha256}`, size: bytes };
}

const zeros = Buffer.alloc(MiB);

/** A new file of `size` bytes. AES-CTR over zeros makes them several times quicker than randomBytes. */
function writeRandom(directory: string, size: number): { file: string; sha256: string } {
  const file = path.join(directory, randomBytes(8).toString("hex"));
  const stream = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const hash = createHash("sha256");
  const output = openSync(file, "w");
  for (let left = size; left > 0; left -= zeros.length) {
    const piece = stream.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
    hash.update(piece);
    writeSync(output, piece);
  }
  closeSync(output);
  return { file, sha256: hash.digest("hex") };
}
