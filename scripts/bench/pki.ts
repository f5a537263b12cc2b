import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";

/** The registry that every contender is asked for. */
export const registryHost = "registry-1.docker.io";

/** Files of one certificate. */
export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface Pki {
  readonly caFile: string;
  /** EC P-256, for `registryHost`: the upstream's, and of a contender that mints none. */
  readonly leaf: Certificate;
}

/** A root and one leaf for this run alone. */
export function createPki(directory: string): Pki {
  const file = (name: string): string => path.join(directory, name);
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...ec,
    "-keyout",
    file("root.key"),
    "-out",
    file("root.pem"),
    "-days",
    "2",
    "-subj",
    "/CN=bench root",
  );
  openssl("req", ...ec, "-keyout", file("leaf.key"), "-out", file("leaf.csr"), "-subj", `/CN=${registryHost}`);
  writeFileSync(file("leaf.ext"), `subjectAltName=DNS:${registryHost}\nextendedKeyUsage=serverAuth\n`);
  const issuer = ["-CA", file("root.pem"), "-CAkey", file("root.key"), "-CAcreateserial", "-extfile", file("leaf.ext")];
  openssl("x509", "-req", "-in", file("leaf.csr"), "-out", file("leaf.pem"), "-days", "2", ...issuer);
  return { caFile: file("root.pem"), leaf: { certificateFile: file("leaf.pem"), keyFile: file("leaf.key") } };
}

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}
