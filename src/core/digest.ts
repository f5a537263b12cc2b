import { createHash, type Hash } from "node:crypto";

declare const brand: unique symbol;

/** A content digest, checked and in its canonical spelling: `sha256:<64 hex>` or `sha512:<128 hex>` (OCI image 1.1, "Digests"). */
export type Digest = string & { readonly [brand]: "digest" };

export type DigestAlgorithm = "sha256" | "sha512";

const grammar = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;

/** The digest that a text spells, or undefined where it spells none of the registered algorithms. */
export function parseDigest(text: string): Digest | undefined {
  return grammar.test(text) ? (text as Digest) : undefined;
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha256:") ? "sha256" : "sha512";
}

/** The hexadecimal part. */
export function hexOf(digest: Digest): string {
  return digest.slice(7);
}

/** A running hash of the algorithm that a digest names. */
export function hashFor(digest: Digest): Hash {
  return createHash(algorithmOf(digest));
}

/** The digest that a finished hash amounts to. */
export function digestOfHash(algorithm: DigestAlgorithm, hash: Hash): Digest {
  return `${algorithm}:${hash.digest("hex")}` as Digest;
}

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return digestOfHash(algorithm, createHash(algorithm).update(bytes));
}

export function isDigestOf(digest: Digest, bytes: Uint8Array): boolean {
  return digestOf(bytes, algorithmOf(digest)) === digest;
}

/** Subresource-integrity spelling (`sha256-<base64>`), in which cacache names content. */
export function integrityOf(digest: Digest): string {
  return `${algorithmOf(digest)}-${Buffer.from(hexOf(digest), "hex").toString("base64")}`;
}
