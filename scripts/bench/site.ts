import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { MiB } from "./plan.ts";

/** Something the upstream serves. */
export interface Content {
  /** Path of its URL. */
  readonly path: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** The upstream's files, laid out as the URLs of OCI distribution 1.1, "Endpoints". */
export class Site {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** A blob of random bytes, so that nothing can compress or deduplicate it. */
  addBlob(repository: string, size: number): Content {
    const directory = this.#directory(repository, "blobs");
    const temporary = path.join(directory, "new");
    const sha256 = writeRandom(temporary, size);
    renameSync(temporary, path.join(directory, `sha256:${sha256}`));
    return { path: `/v2/${repository}/blobs/sha256:${sha256}`, sha256, size };
  }

  /** An image manifest of twelve layers, which is about what one of a real image weighs. */
  addManifest(repository: string): Content {
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor("application/vnd.oci.image.config.v1+json", 7_023),
      layers: Array.from({ length: 12 }, () => descriptor("application/vnd.oci.image.layer.v1.tar+gzip", 32_654_321)),
    });
    const sha256 = createHash("sha256").update(body).digest("hex");
    writeFileSync(path.join(this.#directory(repository, "manifests"), `sha256:${sha256}`), body);
    return { path: `/v2/${repository}/manifests/sha256:${sha256}`, sha256, size: Buffer.byteLength(body) };
  }

  remove(content: Content): void {
    rmSync(path.join(this.root, content.path), { force: true });
  }

  #directory(repository: string, kind: string): string {
    const directory = path.join(this.root, "v2", repository, kind);
    mkdirSync(directory, { recursive: true });
    return directory;
  }
}

export const manifestType = "application/vnd.oci.image.manifest.v1+json";

/** OCI image spec 1.1, "Descriptor"; nobody follows it here, so any digest will do. */
function descriptor(mediaType: string, size: number): object {
  return { mediaType, digest: `sha256:${randomBytes(32).toString("hex")}`, size };
}

/** Writes `size` bytes and returns their sha256. AES-CTR over zeros makes them several times quicker than randomBytes. */
function writeRandom(file: string, size: number): string {
  const stream = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const zeros = Buffer.alloc(MiB);
  const hash = createHash("sha256");
  const output = openSync(file, "w");
  for (let left = size; left > 0; left -= zeros.length) {
    const piece = stream.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
    hash.update(piece);
    writeSync(output, piece);
  }
  closeSync(output);
  return hash.digest("hex");
}
