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

/**
 * Looks up credentials by exact host; an entry with the port wins. A plain http:// origin needs an entry with its port: anyone can ask for
 * a registry in plain HTTP, and the password would cross the network in clear. Throws CONFIG_INVALID where a host has two.
 */
export function createCredentials(entries: readonly CredentialEntry[]): Credentials {
  const byHost = new Map<string, Credential>();
  for (const { host, port, user, password } of entries) {
    const id = keyOf(host.toLowerCase(), port);
    if (byHost.has(id)) throw new EntrepotError("CONFIG_INVALID", `AUTH_REGISTRIES has two credentials for ${id}.`);
    const basic = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    byHost.set(id, { id, user, password, basic });
  }
  return (origin) =>
    byHost.get(keyOf(origin.host, origin.port)) ??
    (origin.scheme === "https" ? byHost.get(keyOf(origin.host, undefined)) : undefined);
}

function keyOf(host: string, port: number | undefined): string {
  return port === undefined ? host : `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
