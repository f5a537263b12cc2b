import { createCipheriv, createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type TarFile, tar } from "./tar.ts";

/** An image in an OCI image layout (OCI image 1.1 §"Image Layout"), made from nothing. */
export interface Image {
  /** The layout's directory, as skopeo takes it: `oci:<directory>`. */
  readonly layout: string;
  /** The manifest's. */
  readonly digest: string;
  /** Of the layers, and of the config as the last. */
  readonly blobs: readonly string[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * Writes an image of three layers, one of them `size` bytes that do not compress.
 * The same directory name and arguments give the same digest; another `content` changes every digest.
 */
export function makeImage(directory: string, content: string, size = 3 * 1024 * 1024): Image {
  const blobs = join(directory, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (mediaType: string, bytes: Buffer): Descriptor => {
    const hex = sha256(bytes);
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (mediaType: string, value: unknown): Descriptor => put(mediaType, Buffer.from(JSON.stringify(value)));

  const archives = [
    tar([file("etc/about", content)]),
    tar([{ path: "opt/big", content: noise(content, size) }]),
    tar([file("opt/one", `${content} one`), file("opt/two", `${content} two`)]),
  ];
  const layers = archives.map((archive) => put("application/vnd.oci.image.layer.v1.tar+gzip", gzipSync(archive)));
  const config = json("application/vnd.oci.image.config.v1+json", {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Cmd: ["/opt/one"], Labels: { content } },
    rootfs: { type: "layers", diff_ids: archives.map((archive) => `sha256:${sha256(archive)}`) },
    history: archives.map(() => ({ created_by: "test" })),
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = json(mediaType, { schemaVersion: 2, mediaType, config, layers });
  writeFileSync(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return { layout: directory, digest: manifest.digest, blobs: [...layers, config].map((blob) => blob.digest) };
}

function file(path: string, text: string): TarFile {
  return { path, content: Buffer.from(text), mode: 0o755 };
}

/** Bytes that look random and are the same for the same seed. */
function noise(seed: string, size: number): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
