import { createHash, createPublicKey, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { promisify } from "node:util";
import asn1, { type Asn1 } from "node-forge/lib/asn1.js";
import { addressBytes } from "./address-bytes.ts";

// node-forge knows no EC keys. Its ASN.1 builds what is signed (RFC 5280 §4.1); keys and signatures are node:crypto's.

const signAsync = promisify(sign);

const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;

/** RFC 5280 §4.2, RFC 5480, RFC 5758 §3.2, RFC 4055 §5. */
const oids = {
  commonName: "2.5.4.3",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  sha256WithRsa: "1.2.840.113549.1.1.11",
} as const;

/** RFC 5480 §4: a hash that fits the curve. */
const ecdsaAlgorithms: Readonly<Record<string, { readonly oid: string; readonly hash: string }>> = {
  prime256v1: { oid: "1.2.840.10045.4.3.2", hash: "sha256" },
  secp384r1: { oid: "1.2.840.10045.4.3.3", hash: "sha384" },
  secp521r1: { oid: "1.2.840.10045.4.3.4", hash: "sha512" },
};

/** RFC 5280 §A.1, ub-common-name. */
const longestCommonName = 64;

export interface Validity {
  /** Milliseconds since the epoch; certificates hold whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What signs: a certificate's name and key identifier, with its private key. */
export interface Issuer {
  readonly name: Asn1;
  readonly keyIdentifier: Buffer;
  readonly privateKey: KeyObject;
}

/** Whether `issuerOf` and the builders can sign with a key: RSA, or EC on a curve that TLS clients know. */
export function canSign(key: KeyObject): boolean {
  if (key.asymmetricKeyType === "rsa") return true;
  return key.asymmetricKeyType === "ec" && ecdsaAlgorithms[key.asymmetricKeyDetails?.namedCurve ?? ""] !== undefined;
}

/** An existing CA as an issuer. Its name is taken byte for byte, since clients compare encodings (RFC 5280 §7.1). */
export function issuerOf(certificate: X509Certificate, privateKey: KeyObject): Issuer {
  const parsed = asn1.fromDer(certificate.raw.toString("latin1"));
  const tbs = childrenOf(childrenOf(parsed)[0]);
  // A version 1 certificate has no [0] EXPLICIT version in front.
  const first = tbs[0]?.tagClass === CONTEXT_SPECIFIC ? 1 : 0;
  const name = tbs[first + 4];
  if (name === undefined) throw new TypeError("The certificate has no subject.");
  return { name, keyIdentifier: subjectKeyIdentifierIn(tbs) ?? keyIdentifierOf(certificate.publicKey), privateKey };
}

/** A self-signed root, in PEM. The key must be one that `canSign`. */
export async function buildRoot(commonName: string, privateKey: KeyObject, validity: Validity): Promise<string> {
  const publicKey = createPublicKey(privateKey);
  const name = nameOf(commonName);
  const keyIdentifier = keyIdentifierOf(publicKey);
  return await build({ name, keyIdentifier, privateKey }, name, publicKey, validity, [
    // CA with pathLenConstraint 0: it issues leaves and no further CA (RFC 5280 §4.2.1.9).
    extension(oids.basicConstraints, true, sequence(boolean(true), integer("\0"))),
    // keyCertSign and cRLSign (RFC 5280 §4.2.1.3).
    extension(oids.keyUsage, true, bitString("\x01\x06")),
    extension(oids.subjectKeyIdentifier, false, octetString(keyIdentifier.toString("latin1"))),
  ]);
}

/** A server's certificate for one host, in PEM. The host is canonical: lower-case A-labels or an IP literal without brackets. */
export async function buildLeaf(
  host: string,
  publicKey: KeyObject,
  issuer: Issuer,
  validity: Validity,
): Promise<string> {
  // Without a subject the alternative name is critical (RFC 5280 §4.2.1.6).
  const nameless = host.length > longestCommonName;
  return await build(issuer, nameOf(nameless ? undefined : host), publicKey, validity, [
    extension(oids.basicConstraints, true, sequence()),
    // digitalSignature alone: an EC key encrypts nothing.
    extension(oids.keyUsage, true, bitString("\x07\x80")),
    extension(oids.extendedKeyUsage, false, sequence(oid(oids.serverAuth))),
    extension(oids.subjectAltName, nameless, sequence(alternativeName(host))),
    extension(oids.subjectKeyIdentifier, false, octetString(keyIdentifierOf(publicKey).toString("latin1"))),
    extension(
      oids.authorityKeyIdentifier,
      false,
      sequence(asn1.create(CONTEXT_SPECIFIC, 0, false, issuer.keyIdentifier.toString("latin1"))),
    ),
  ]);
}

/** RFC 7093 §2, method 1: the leftmost 160 bits of SHA-256 over the key itself. */
export function keyIdentifierOf(publicKey: KeyObject): Buffer {
  const spki = asn1.fromDer(publicKey.export({ type: "spki", format: "der" }).toString("latin1"));
  const key = Buffer.from(bitStringBytes(childrenOf(spki)[1]), "latin1");
  return createHash("sha256").update(key.subarray(1)).digest().subarray(0, 20);
}

async function build(
  issuer: Issuer,
  subject: Asn1,
  publicKey: KeyObject,
  validity: Validity,
  extensions: Asn1[],
): Promise<string> {
  const algorithm = algorithmOf(issuer.privateKey);
  const tbs = sequence(
    asn1.create(CONTEXT_SPECIFIC, 0, true, [integer("\x02")]),
    integer(serialNumber()),
    algorithm.identifier,
    issuer.name,
    sequence(time(validity.notBefore), time(validity.notAfter)),
    subject,
    asn1.fromDer(publicKey.export({ type: "spki", format: "der" }).toString("latin1")),
    asn1.create(CONTEXT_SPECIFIC, 3, true, [sequence(...extensions)]),
  );
  const signature = await signAsync(algorithm.hash, toBuffer(tbs), issuer.privateKey);
  const certificate = sequence(tbs, algorithm.identifier, bitString(`\0${signature.toString("latin1")}`));
  return new X509Certificate(toBuffer(certificate)).toString();
}

function algorithmOf(key: KeyObject): { readonly identifier: Asn1; readonly hash: string } {
  if (key.asymmetricKeyType === "rsa") {
    const none = asn1.create(UNIVERSAL, asn1.Type.NULL, false, "");
    return { identifier: sequence(oid(oids.sha256WithRsa), none), hash: "sha256" };
  }
  const ecdsa = ecdsaAlgorithms[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (ecdsa === undefined) throw new TypeError("A CA signs with an RSA key or an EC key on P-256, P-384 or P-521.");
  return { identifier: sequence(oid(ecdsa.oid)), hash: ecdsa.hash };
}

/** Sixteen random bytes; the first one is neither zero nor negative (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("latin1");
}

/** UTCTime through 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
function time(milliseconds: number): Asn1 {
  const date = new Date(Math.floor(milliseconds / 1000) * 1000);
  return date.getUTCFullYear() < 2050
    ? asn1.create(UNIVERSAL, asn1.Type.UTCTIME, false, asn1.dateToUtcTime(date))
    : asn1.create(UNIVERSAL, asn1.Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date));
}

/** dNSName [2] or iPAddress [7] (RFC 5280 §4.2.1.6). */
function alternativeName(host: string): Asn1 {
  return isIP(host) === 0
    ? asn1.create(CONTEXT_SPECIFIC, 2, false, host)
    : asn1.create(CONTEXT_SPECIFIC, 7, false, addressBytes(host).toString("latin1"));
}

function nameOf(commonName: string | undefined): Asn1 {
  if (commonName === undefined) return sequence();
  const value = asn1.create(UNIVERSAL, asn1.Type.UTF8, false, Buffer.from(commonName).toString("latin1"));
  return sequence(asn1.create(UNIVERSAL, asn1.Type.SET, true, [sequence(oid(oids.commonName), value)]));
}

function subjectKeyIdentifierIn(tbs: readonly Asn1[]): Buffer | undefined {
  // The extensions come last, where there are any (RFC 5280 §4.1).
  const wrapped = tbs.at(-1);
  const wanted = asn1.oidToDer(oids.subjectKeyIdentifier).getBytes();
  for (const candidate of childrenOf(childrenOf(wrapped)[0])) {
    const parts = childrenOf(candidate);
    if (parts[0]?.value !== wanted) continue;
    const inner = asn1.fromDer(contentsOf(parts.at(-1))).value;
    return typeof inner === "string" ? Buffer.from(inner, "latin1") : undefined;
  }
  return undefined;
}

function extension(id: string, critical: boolean, value: Asn1): Asn1 {
  const contents = octetString(asn1.toDer(value).getBytes());
  return critical ? sequence(oid(id), boolean(true), contents) : sequence(oid(id), contents);
}

function sequence(...parts: Asn1[]): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, parts);
}

function oid(id: string): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.OID, false, asn1.oidToDer(id).getBytes());
}

function integer(bytes: string): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.INTEGER, false, bytes);
}

function boolean(value: boolean): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.BOOLEAN, false, value ? "\xff" : "\0");
}

function octetString(bytes: string): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.OCTETSTRING, false, bytes);
}

/** With the count of unused bits in front. */
function bitString(bytes: string): Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.BITSTRING, false, bytes);
}

function toBuffer(part: Asn1): Buffer {
  return Buffer.from(asn1.toDer(part).getBytes(), "latin1");
}

function childrenOf(part: Asn1 | undefined): readonly Asn1[] {
  return part !== undefined && typeof part.value !== "string" ? part.value : [];
}

function contentsOf(part: Asn1 | undefined): string {
  return part === undefined || typeof part.value !== "string" ? "" : part.value;
}

/** forge looks into a string of bits and may take it for ASN.1; encoded again it is what it was. */
function bitStringBytes(part: Asn1 | undefined): string {
  if (part === undefined) return "";
  if (typeof part.value === "string") return part.value;
  return `\0${part.value.map((inner) => asn1.toDer(inner).getBytes()).join("")}`;
}
