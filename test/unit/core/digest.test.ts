import { createHash } from "node:crypto";
import t from "tap";
import {
  algorithmOf,
  type Digest,
  digestOf,
  digestOfHash,
  hashFor,
  hexOf,
  integrityOf,
  parseDigest,
} from "../../../src/core/digest.ts";

const hex64 = "0123456789abcdef".repeat(4);

t.test("a digest of a registered algorithm is taken as it is", (t) => {
  for (const text of [`sha256:${hex64}`, `sha512:${hex64}${hex64}`]) t.equal(parseDigest(text), text);
  t.end();
});

t.test("anything else is no digest", (t) => {
  const wrong = [
    "",
    "sha256",
    "sha256:",
    hex64,
    `sha256:${hex64.slice(1)}`,
    `sha256:${hex64}0`,
    `sha512:${hex64}`,
    `sha256:${hex64}${hex64}`,
    `sha256:${hex64.toUpperCase()}`,
    `SHA256:${hex64}`,
    `sha256:${hex64.slice(1)}g`,
    `sha256:${hex64}\n`,
    ` sha256:${hex64}`,
    `sha256:../${hex64.slice(3)}`,
    `sha1:${"a".repeat(40)}`,
    `md5:${"a".repeat(32)}`,
    `sha256-${hex64}`,
    `sha256+b64:${hex64}`,
  ];
  for (const text of wrong) t.equal(parseDigest(text), undefined, JSON.stringify(text));
  t.end();
});

t.test("the digest of bytes is the hash of that algorithm", (t) => {
  const bytes = Buffer.from("entrepot");
  for (const algorithm of ["sha256", "sha512"] as const) {
    const hex = createHash(algorithm).update(bytes).digest("hex");
    const digest = digestOf(bytes, algorithm);
    t.equal(digest, `${algorithm}:${hex}`);
    t.equal(algorithmOf(digest), algorithm);
    t.equal(hexOf(digest), hex);
    t.equal(digestOfHash(algorithm, hashFor(digest).update(bytes)), digest);
    t.equal(parseDigest(digest), digest);
  }
  t.equal(digestOf(bytes), digestOf(bytes, "sha256"));
  t.end();
});

t.test("the integrity is the same hash in base64", (t) => {
  const empty = digestOf(Buffer.alloc(0));
  t.equal(integrityOf(empty), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  t.equal(integrityOf(`sha512:${"00".repeat(64)}` as Digest), `sha512-${Buffer.alloc(64).toString("base64")}`);
  t.end();
});
