import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { EntrepotError } from "../core/errors.ts";
import { canSign } from "./x509.ts";

/** A CA that was read and found usable. */
export interface Chain {
  /** The one that signs leaves. */
  readonly issuing: X509Certificate;
  /** From the issuing one up, each issued by the next. */
  readonly certificates: readonly [X509Certificate, ...X509Certificate[]];
  readonly key: KeyObject;
}

const smallestRsaKey = 2048;

/**
 * Checks a certificate file (the issuing CA first, intermediates and the root after it) against its key file.
 * Throws CA_INVALID with one line that names the file and what is wrong with it. `now` in milliseconds since the epoch.
 */
export function readChain(
  certificatePem: string,
  keyPem: string,
  files: { certificateFile: string; keyFile: string },
  now: number,
): Chain {
  const certificates = readCertificates(certificatePem, files.certificateFile);
  const key = readKey(keyPem, files.keyFile);
  const issuing = certificates[0];
  if (!issuing.checkPrivateKey(key)) {
    const other = certificates.find((certificate) => certificate.checkPrivateKey(key));
    const hint = other === undefined ? "" : `; it belongs to ${nameOf(other)}, so put that one first in the file`;
    throw invalid(
      `The CA key ${files.keyFile} does not match the first certificate of ${files.certificateFile}${hint}.`,
    );
  }
  certificates.forEach((certificate, index) =>
    checkCertificate(certificate, certificates[index + 1], files.certificateFile, now),
  );
  return { issuing, certificates, key };
}

export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

/** The common name, or the whole subject where there is none, on one line. */
export function nameOf(certificate: X509Certificate): string {
  const subject = certificate.subject ?? "";
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? subject.replaceAll("\n", ", ");
}

function readCertificates(pem: string, file: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.match(/-----BEGIN (?:X509 )?CERTIFICATE-----[^-]+-----END (?:X509 )?CERTIFICATE-----/g) ?? [];
  try {
    const [first, ...rest] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return [first, ...rest];
  } catch (error) {
    throw invalid(`The CA certificate ${file} holds a certificate that cannot be read.`, error);
  }
  throw invalid(`The CA certificate ${file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----).`);
}

function readKey(pem: string, file: string): KeyObject {
  // `openssl ecparam -genkey` writes the curve's parameters first, and a key file may hold certificates.
  const block = /-----BEGIN ((?:[A-Z0-9]+ )*)PRIVATE KEY-----[\s\S]+?-----END \1PRIVATE KEY-----/.exec(pem);
  if (block === null) throw invalid(`The CA key ${file} holds no private key in PEM (-----BEGIN PRIVATE KEY-----).`);
  const isEncrypted = block[1] === "ENCRYPTED " || block[0].includes("Proc-Type: 4,ENCRYPTED");
  const key = isEncrypted ? openKnownKey(block[0], file) : parseKey(block[0], file);
  if (!canSign(key)) throw invalid(`The CA key ${file} is neither RSA nor EC on P-256, P-384 or P-521.`);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? smallestRsaKey;
  if (bits < smallestRsaKey) {
    throw invalid(`The CA key ${file} is RSA with ${bits} bits; clients accept ${smallestRsaKey} and more.`);
  }
  return key;
}

/**
 * The nginx-based docker-registry-proxy encrypted the key that it made with a passphrase that stands in its public source. Its users bring
 * that volume along; any other encrypted key is for its owner to open.
 */
const knownPassphrase = "foobar";

function openKnownKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, passphrase: knownPassphrase });
  } catch (error) {
    throw invalid(`The CA key ${file} is encrypted; decrypt it first: openssl pkey -in KEY -out KEY.plain`, error);
  }
}

function parseKey(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw invalid(`The CA key ${file} cannot be read: it is damaged or of an unknown kind.`, error);
  }
}

function checkCertificate(
  certificate: X509Certificate,
  next: X509Certificate | undefined,
  file: string,
  now: number,
): void {
  const who = `${nameOf(certificate)} in ${file}`;
  // Node's `ca` is OpenSSL's check: basicConstraints, and keyUsage where there is one.
  if (!certificate.ca)
    throw invalid(`${who} is not a CA certificate (basicConstraints CA:TRUE and, if it has a keyUsage, keyCertSign).`);
  if (now >= certificate.validToDate.getTime()) {
    throw invalid(
      `${who} expired on ${certificate.validToDate.toISOString()}; put a new one there, or move certificate and key away to have one made.`,
    );
  }
  if (now < certificate.validFromDate.getTime()) {
    throw invalid(`${who} is not valid before ${certificate.validFromDate.toISOString()}; is the clock right?`);
  }
  if (next !== undefined && !(certificate.checkIssued(next) && certificate.verify(next.publicKey))) {
    throw invalid(
      `${who} was not issued by the certificate after it, ${nameOf(next)}: the file is to hold the issuing CA first and then each one's issuer.`,
    );
  }
}

function invalid(message: string, cause?: unknown): EntrepotError {
  return new EntrepotError("CA_INVALID", message, { cause });
}
