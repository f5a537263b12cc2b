import type { Writable } from "node:stream";
import { type AuthorityOptions, openAuthority } from "../ca/authority.ts";
import { asEntrepotError } from "../core/errors.ts";

/**
 * `entrepot ca show`: which root clients are to trust, for people first and as PEM after that. It makes none: run by another user
 * than the proxy, it would leave a key that the proxy cannot read. Resolves with the exit code.
 */
export async function caShow(options: AuthorityOptions, out: Pick<Writable, "write">): Promise<number> {
  try {
    const authority = await openAuthority({ ...options, create: false });
    const lines = [
      `Path         ${authority.certificateFile}`,
      `Subject      ${authority.subject}`,
      `SHA-256      ${authority.fingerprint}`,
      `Valid        ${date(authority.notBefore)} to ${date(authority.notAfter)}`,
      ...authority.warnings.map((warning) => `Note         ${warning}`),
    ];
    out.write(`${lines.join("\n")}\n\n${authority.rootPem}`);
    return 0;
  } catch (error) {
    out.write(`${asEntrepotError(error).message}\n`);
    return 1;
  }
}

function date(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}
