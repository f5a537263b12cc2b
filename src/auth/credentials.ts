import { EntrepotError } from "../core/errors.ts";
import type { Origin } from "../core/origin.ts";

/** An entry of AUTH_REGISTRIES. `$oauthtoken`, `_json_key` and `AWS` are users like any other. */
export interface CredentialEntry {
  /** Exact, no pattern. */
  readonly host: string;
  /** Without one it is good for every port of the host. */
  readonly port?: number | undefined;
  readonly user: string;
  readonly password: string;
}

export interface Credential {
  /** Tells credentials apart in keys; holds no secret. */
  readonly id: string;
  readonly user: string;
  readonly password: string;
  /** The Authorization of RFC 7617. */
  readonly basic: string;
}

/** The credential for an origin; undefined where none is configured. */
export type Credentials = (origin: Origin) => Credential | undefined;

/** A credential of one front: sent to the origins that are asked in its name, and to no others. */
export type LentCredentials = ReadonlyMap<string, Credential>;

/** A user and password as a credential; RFC 7617. */
export function credentialOf(id: string, user: string, password: string): Credential {
  return { id, user, password, basic: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

/**
 * A credential that is a whole Authorization, RFC 7617's or RFC 6750's. With a token there is no user and no password, so that a token service is shown
 * the token.
 */
export function credentialOfHeader(id: string, authorization: string): Credential {
  const basic = /^Basic +(\S+)$/i.exec(authorization)?.[1];
  if (basic === undefined) return { id, user: "", password: "", basic: authorization };
  const [user = "", ...password] = Buffer.from(basic, "base64").toString("utf8").split(":");
  return { id, user, password: password.join(":"), basic: authorization };
}

/**
 * Looks up credentials by exact host; an entry with the port wins. A plain http:// origin needs an entry with its port: anyone can ask for
 * a registry in plain HTTP, and the password would cross the network in clear. Throws CONFIG_INVALID where a host has two.
 */
export function createCredentials(entries: readonly CredentialEntry[], lent: LentCredentials = new Map()): Credentials {
  const byHost = new Map<string, Credential>();
  for (const { host, port, user, password } of entries) {
    const id = keyOf(host.toLowerCase(), port);
    if (byHost.has(id)) throw new EntrepotError("CONFIG_INVALID", `AUTH_REGISTRIES has two credentials for ${id}.`);
    byHost.set(id, credentialOf(id, user, password));
  }
  return (origin) => {
    if (origin.as !== undefined) return lent.get(origin.as);
    if (byHost.size === 0) return undefined;
    const exact = byHost.get(keyOf(origin.host, origin.port));
    return exact ?? (origin.scheme === "https" ? byHost.get(keyOf(origin.host, undefined)) : undefined);
  };
}

function keyOf(host: string, port: number | undefined): string {
  return port === undefined ? host : `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
