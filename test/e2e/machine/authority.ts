import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { testAuthority } from "../../fixtures/certificates.ts";
import type { Place } from "./place.ts";

/** The CA of the upstreams of a test, as files. The proxy is told to trust it, the clients are not. */
export interface Authority {
  /** Its certificate, a PEM file. */
  readonly file: string;
  /** A key and certificate for a server of these names and of 127.0.0.1, as PEM files. */
  readonly issue: (...hosts: readonly string[]) => { key: string; certificate: string };
}

export function makeAuthority(place: Place): Authority {
  const directory = place.folder("authority");
  const authority = testAuthority();
  const file = join(directory, "root.pem");
  writeFileSync(file, authority.caPem);
  return {
    file,
    issue(...hosts) {
      const pair = authority.pairFor(...hosts, "127.0.0.1");
      const files = { key: join(directory, `${hosts[0]}.key`), certificate: join(directory, `${hosts[0]}.pem`) };
      writeFileSync(files.key, pair.keyPem);
      writeFileSync(files.certificate, pair.certPem);
      return files;
    },
  };
}
