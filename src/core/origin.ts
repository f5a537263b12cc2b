/** The registry host that a request is for. Two of them are the same where their names are. */
export interface Origin {
  readonly scheme: "https" | "http";
  /** Lower case, an internationalised name in its ASCII form, an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /**
   * Canonical and unique, part of every cache key: `registry-1.docker.io`, `registry.test:5000`,
   * `http://registry.test`. The default port of the scheme is left out.
   */
  readonly name: string;
  /** Whose credential is sent to it, where that is not the one configured for the host: what is known of it is then known for them alone. */
  readonly as: string | undefined;
  /** What goes into a Host header: the host, bracketed where it is an IPv6 address, and a port that is not the default. */
  readonly authority: string;
}

export const defaultPorts = { https: 443, http: 80 } as const;

/** A host and port of a CONNECT line, a Host header or an option. */
export interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * `host`, `host:port`, `[v6]` or `[v6]:port`. Undefined where it is none: an empty host, characters that no host
 * name has, a port that is not 1-65535. The host comes back lower-cased and without brackets.
 */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:/?#@\s\\]+))(?::(\d{1,5}))?$/i.exec(text);
  if (!match) return undefined;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && (port < 1 || port > 65535)) return undefined;
  const host = canonicalHost(match[1] === undefined ? (match[2] ?? "") : `[${match[1]}]`);
  return host === undefined ? undefined : { host, port };
}

/** WHATWG URL's host parser decides what a host is, so that `EXAMPLE.com`, `bücher.example` and `0x7f.1` have one spelling each. */
function canonicalHost(text: string): string | undefined {
  if (!URL.canParse(`http://${text}/`)) return undefined;
  const url = new URL(`http://${text}/`);
  if (url.username !== "" || url.pathname !== "/" || url.port !== "") return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/(?<=.)\.$/, "");
  const hasEmptyLabel = host === "" || host.startsWith(".") || host.includes("..") || host.endsWith(".");
  return hasEmptyLabel ? undefined : host;
}

/** `as`: a word without blanks, in whose name the origin is asked; it becomes a part of the name. */
export function makeOrigin(scheme: "https" | "http", host: string, port?: number, as?: string): Origin {
  const number = port ?? defaultPorts[scheme];
  const bracketed = host.includes(":") ? `[${host}]` : host;
  const authority = number === defaultPorts[scheme] ? bracketed : `${bracketed}:${number}`;
  const name = scheme === "https" ? authority : `http://${authority}`;
  return { scheme, host, port: number, authority, name: as === undefined ? name : `${name} as ${as}`, as };
}

/** Scheme, host and port: the same server, in whoever's name. */
export function isSameServer(one: Origin, other: Origin): boolean {
  return one.scheme === other.scheme && one.authority === other.authority;
}

/** The origin of an absolute URL, or undefined where its scheme is neither http nor https. */
export function originOfUrl(url: URL): Origin | undefined {
  const scheme = url.protocol === "https:" ? "https" : url.protocol === "http:" ? "http" : undefined;
  if (scheme === undefined) return undefined;
  const parsed = parseHostPort(url.host);
  return parsed === undefined ? undefined : makeOrigin(scheme, parsed.host, parsed.port);
}
