import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The registry that every contender is asked for. */
export const registryHost = "registry-1.docker.io";

/** Files of one certificate. */
export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface Pki {
  /** Both roots below. */
  readonly caFile: string;
  /** RSA-2048, for a contender that mints leaves with the kind of key that its root has. */
  readonly rsaRoot: Certificate;
  /** EC P-256, for `registryHost` and 127.0.0.1: the upstream's, and of a contender that mints none. */
  readonly leaf: Certificate;
  /** RSA-2048, likewise. */
  readonly rsaLeaf: Certificate;
}

const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const rsa = ["-newkey", "rsa:2048"];

/** A root and a leaf of either kind for this run alone. */
export function createPki(directory: string): Pki {
  const files = (name: string): Certificate => ({
    certificateFile: path.join(directory, `${name}.pem`),
    keyFile: path.join(directory, `${name}.key`),
  });
  const root = (name: string, key: readonly string[]): Certificate => {
    const { certificateFile, keyFile } = files(name);
    const days = ["-days", "2", "-subj", `/CN=bench ${name}`];
    openssl("req", "-x509", ...key, "-nodes", "-keyout", keyFile, "-out", certificateFile, ...days);
    return { certificateFile, keyFile };
  };
  const [ecRoot, rsaRoot] = [root("root", ec), root("rsa-root", rsa)];
  const extensions = path.join(directory, "leaf.ext");
  writeFileSync(extensions, `subjectAltName=DNS:${registryHost},IP:127.0.0.1\nextendedKeyUsage=serverAuth\n`);
  const leaf = (name: string, key: readonly string[]): Certificate => {
    const { certificateFile, keyFile } = files(name);
    const request = path.join(directory, `${name}.csr`);
    openssl("req", ...key, "-nodes", "-keyout", keyFile, "-out", request, "-subj", `/CN=${registryHost}`);
    const issuer = ["-CA", ecRoot.certificateFile, "-CAkey", ecRoot.keyFile, "-CAcreateserial", "-extfile", extensions];
    openssl("x509", "-req", "-in", request, "-out", certificateFile, "-days", "2", ...issuer);
    return { certificateFile, keyFile };
  };
  const caFile = path.join(directory, "roots.pem");
  writeFileSync(caFile, [ecRoot, rsaRoot].map((root) => readFileSync(root.certificateFile, "latin1")).join(""));
  return { caFile, rsaRoot, leaf: leaf("leaf", ec), rsaLeaf: leaf("rsa-leaf", rsa) };
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}
