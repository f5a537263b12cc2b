import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

function run(arguments_: string[], cwd?: string): string {
  return execFileSync("openssl", arguments_, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], cwd });
}

/** Why the tests that need openssl are skipped; false where it is there. */
export const noOpenssl: string | false = (() => {
  try {
    run(["version"]);
    return false;
  } catch {
    return "openssl is not installed";
  }
})();

/** `openssl verify` as a TLS client sees it; returns its output, throws with it where it refuses. */
export function opensslVerify(directory: string, root: string, presented: string, how: string[]): string {
  const [leaf = "", ...rest] = presented.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  writeFileSync(join(directory, "verify-root.pem"), root);
  writeFileSync(join(directory, "verify-leaf.pem"), leaf);
  writeFileSync(join(directory, "verify-chain.pem"), rest.join(""));
  const untrusted = rest.length === 0 ? [] : ["-untrusted", "verify-chain.pem"];
  const purpose = ["-purpose", "sslserver", "-no-CApath", "-CAfile", "verify-root.pem"];
  return run(["verify", ...purpose, ...untrusted, ...how, "verify-leaf.pem"], directory);
}

/** A self-signed CA made by openssl: `<name>.crt` and `<name>.key`. */
export function opensslRoot(directory: string, name: string, newkey: string[], extra: string[] = []): void {
  const files = ["-nodes", "-keyout", `${name}.key`, "-out", `${name}.crt`, "-days", "3000"];
  run(["req", "-x509", "-newkey", ...newkey, ...files, "-subj", `/O=Test/CN=${name}`, ...extra], directory);
}

/** A CA under another one: `<name>.crt` and `<name>.key`. */
export function opensslIntermediate(directory: string, name: string, issuer: string, newkey: string[]): void {
  const request = ["-newkey", ...newkey, "-nodes", "-keyout", `${name}.key`, "-subj", `/O=Test/CN=${name}`];
  const extensions = [
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign,cRLSign",
  ];
  const signer = ["-CA", `${issuer}.crt`, "-CAkey", `${issuer}.key`, "-days", "2000"];
  run(["req", "-x509", ...request, ...extensions, ...signer, "-out", `${name}.crt`], directory);
}

export const openssl = run;
