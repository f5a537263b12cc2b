import { generateKeyPair, type KeyObject, type X509Certificate } from "node:crypto";
import { stat } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { type Clock, systemClock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { parseHostPort } from "../core/origin.ts";
import { type Chain, isSelfSigned, nameOf, readChain } from "./chain.ts";
import { type NewPair, openPair, type PairPaths, prepareDirectory, sweep } from "./pair.ts";
import { buildLeaf, buildRoot, issuerOf, keyIdentifierOf } from "./x509.ts";

const generateKey = promisify(generateKeyPair);

const day = 86_400_000;
const rootYears = 10;
/** In all, so that no client finds it too long; what Go and browsers accept from private CAs is far more. */
const leafLife = 90 * day;
/** Room for clients whose clock is behind. */
const backdating = day;

export interface AuthorityOptions {
  /** Where the root is made and kept; made with mode 0700 where it does not exist. */
  readonly directory: string;
  /** A user's own CA: the issuing certificate first, then its chain. Default `ca.crt` in the directory. */
  readonly certificateFile?: string;
  /** Default `ca.key` in the directory. */
  readonly keyFile?: string;
  /** false: reject where there is none, instead of making one. */
  readonly create?: boolean;
  readonly clock?: Clock;
}

/** A host's certificate. */
export interface Leaf {
  /** The host in its canonical form. */
  readonly host: string;
  /** PEM of the leaf and, after it, the intermediates that clients do not have. */
  readonly certificate: string;
  readonly key: KeyObject;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Authority {
  /** What clients are to trust: the root, or the topmost certificate that the file has. */
  readonly rootPem: string;
  /** What is sent after each leaf; empty where the root itself issues. */
  readonly chainPem: string;
  /** SHA-256 of `rootPem`'s certificate, as colon-separated hexadecimal. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly certificateFile: string;
  /** Of the first certificate of the chain to end, in milliseconds since the epoch. No leaf lives longer. */
  readonly notAfter: number;
  readonly notBefore: number;
  /** Whether this start made it. */
  readonly created: boolean;
  /** What an operator should hear of, a sentence each. */
  readonly warnings: readonly string[];
  /**
   * A new key and certificate for a host name or IP literal. Rejects with BAD_REQUEST where no certificate can name the host, with
   * CA_INVALID where the CA has expired meanwhile.
   */
  issueLeaf(host: string): Promise<Leaf>;
}

/**
 * Opens the CA, or makes one at the first start; files are never overwritten, and of several processes that start at once all get the
 * same one. Rejects with CA_INVALID and one line that says what is wrong with which file.
 */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const clock = options.clock ?? systemClock;
  const paths: PairPaths = {
    certificateFile: options.certificateFile ?? join(options.directory, "ca.crt"),
    keyFile: options.keyFile ?? join(options.directory, "ca.key"),
  };
  const directory = resolve(options.directory);
  const ours = [paths.certificateFile, paths.keyFile].some((path) => dirname(resolve(path)) === directory);
  if (ours && options.create !== false) await prepareDirectory(directory);
  await sweep(paths, Date.now());
  const pair = await openPair(paths, async () => {
    if (options.create !== false) return await makeRoot(clock.now());
    throw new EntrepotError(
      "CA_INVALID",
      `There is no CA yet at ${paths.certificateFile}; the proxy makes one at its first start.`,
    );
  });
  const chain = readChain(pair.certificate, pair.key, paths, clock.now());
  const top = chain.certificates.at(-1) ?? chain.issuing;
  const issuer = issuerOf(chain.issuing, chain.key);
  const intermediates = chain.certificates.filter((certificate) => !isSelfSigned(certificate));
  const chainPem = intermediates.map((certificate) => certificate.toString()).join("");
  const notAfter = Math.min(...chain.certificates.map((certificate) => certificate.validToDate.getTime()));

  async function issueLeaf(name: string): Promise<Leaf> {
    const host = canonicalHost(name);
    const now = clock.now();
    if (now >= notAfter) {
      throw new EntrepotError(
        "CA_INVALID",
        `The CA ${paths.certificateFile} expired on ${new Date(notAfter).toISOString()}; replace it and start again.`,
      );
    }
    const notBefore = now - backdating;
    const validity = { notBefore, notAfter: Math.min(notBefore + leafLife, notAfter) };
    const { publicKey, privateKey } = await generateKey("ec", { namedCurve: "P-256" });
    const certificate = await buildLeaf(host, publicKey, issuer, validity);
    return { host, certificate: certificate + chainPem, key: privateKey, ...validity };
  }

  return {
    rootPem: top.toString(),
    chainPem,
    fingerprint: top.fingerprint256,
    subject: nameOf(top),
    certificateFile: paths.certificateFile,
    notBefore: top.validFromDate.getTime(),
    notAfter,
    created: pair.created,
    warnings: [...chainWarnings(chain, top, paths), ...(await keyWarnings(paths.keyFile))],
    issueLeaf,
  };
}

async function makeRoot(now: number): Promise<NewPair> {
  const { publicKey, privateKey } = await generateKey("ec", { namedCurve: "P-256" });
  const shortId = keyIdentifierOf(publicKey).toString("hex", 0, 4);
  const notAfter = new Date(now);
  notAfter.setUTCFullYear(notAfter.getUTCFullYear() + rootYears);
  const validity = { notBefore: now - backdating, notAfter: notAfter.getTime() };
  const certificate = await buildRoot(`Entrepot CA ${shortId}`, privateKey, validity);
  return { certificate, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** IDN as A-labels, IP literals in their one spelling; RFC 5280 §4.2.1.6 takes a host name and nothing else. */
function canonicalHost(name: string): string {
  const host = parseHostPort(isIPv6(name) ? `[${name}]` : name);
  const text = host?.port === undefined ? host?.host : undefined;
  if (text === undefined || text.length > 253 || !(isIPv6(text) || /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(text))) {
    throw new EntrepotError("BAD_REQUEST", "The host is no name that a certificate can have.");
  }
  return text;
}

function chainWarnings(chain: Chain, top: X509Certificate, paths: PairPaths): string[] {
  if (isSelfSigned(top)) return [];
  return [
    `${paths.certificateFile} does not hold its root; /ca.crt gives the topmost certificate that it has, ${nameOf(top)}, ` +
      "which some clients do not accept in place of a root.",
  ];
}

/** A key that others may read is worth a word, and no refusal: mounted secrets often come that way. */
async function keyWarnings(keyFile: string): Promise<string[]> {
  const mode = (await stat(keyFile)).mode & 0o077;
  return mode === 0 ? [] : [`The CA key ${keyFile} may be read by others on this machine; chmod 600 it.`];
}
