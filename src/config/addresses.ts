import { isIP, isIPv4 } from "node:net";
import { parseHostPort } from "../core/origin.ts";
import { type Kind, no, quote, several, single } from "./kind.ts";

/** Hosts that a rule is about. */
export interface HostRule {
  /** A host in the spelling of core/origin, or a lower-case micromatch pattern of such hosts. */
  readonly host: string;
  /** Whether `host` is a pattern. */
  readonly pattern: boolean;
  /** Undefined: for what is intercepted the default port of the scheme that is asked with, for what is denied every port. */
  readonly port: number | undefined;
}

/** A block of addresses, as net.BlockList takes it. */
export interface AddressRange {
  readonly address: string;
  /** Bits. */
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** What a tunnel may not reach. */
export type TargetRule =
  | { readonly kind: "range"; readonly range: AddressRange }
  | { readonly kind: "host"; readonly rule: HostRule };

/** Where to connect in place of a host. */
export interface HostMapping {
  readonly host: string;
  /** Undefined: any. */
  readonly port: number | undefined;
  readonly toHost: string;
  /** Undefined: the port that was asked for. */
  readonly toPort: number | undefined;
}

function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

export const port: Kind<number> = single({
  placeholder: "PORT",
  expects: "a port from 0 to 65535; 0 lets the system choose",
  parse: parsePort,
});

export const ports: Kind<readonly number[]> = several({
  placeholder: "PORTS",
  expects: "one or several ports from 0 to 65535 between blanks; 0 lets the system choose",
  parse: parsePort,
});

export const listenHosts: Kind<readonly string[]> = several({
  placeholder: "HOSTS",
  expects: "IP addresses or names of this machine between blanks",
  parse: (text) => {
    const bare = text.replace(/^\[(.*)\]$/, "$1");
    if (isIP(bare) !== 0) return bare;
    const parsed = parseHostPort(text);
    return parsed?.port === undefined && isPlainHost(parsed?.host) ? parsed?.host : undefined;
  },
});

/** A name without characters that only patterns have; WHATWG's host parser lets some of those through. */
function isPlainHost(host: string | undefined): boolean {
  return host !== undefined && (isIP(host) !== 0 || /^[a-z0-9_.-]+$/.test(host));
}

/** `host`, `host:port`, `[v6]:port`, or a pattern of hosts, with a port or without. Undefined where it is none. */
export function parseHostRule(text: string): HostRule | undefined {
  const exact = parseHostPort(isIP(text) === 6 ? `[${text}]` : text);
  if (exact !== undefined && isPlainHost(exact.host)) return { ...exact, pattern: false };
  const match = /^([a-z0-9_.*?!+@(){}[\],|-]+?)(?::(\d{1,5}))?$/.exec(text.toLowerCase());
  if (!match?.[1] || !/[*?{[(]/.test(match[1])) return undefined;
  const number = match[2] === undefined ? undefined : Number(match[2]);
  return number === 0 || (number ?? 1) > 65535 ? undefined : { host: match[1], port: number, pattern: true };
}

export const hostRules: Kind<readonly HostRule[]> = several({
  placeholder: "HOSTS",
  expects: "hosts, host:port or patterns such as *.pkg.dev, without https://, between blanks, or none",
  parse: parseHostRule,
});

/** An address, or a block in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). Undefined where it is neither. */
export function parseRange(text: string): AddressRange | undefined {
  const match = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text);
  const address = match?.[1];
  if (address === undefined || isIP(address) === 0) return undefined;
  const family = isIPv4(address) ? "ipv4" : "ipv6";
  const bits = family === "ipv4" ? 32 : 128;
  const prefix = match?.[2] === undefined ? bits : Number(match[2]);
  return prefix > bits ? undefined : { address, prefix, family };
}

export const addressRanges: Kind<readonly AddressRange[]> = several({
  placeholder: "CIDRS",
  expects: "addresses or blocks such as 10.0.0.0/8 or fd00::/8, between blanks",
  parse: parseRange,
});

export const targetRules: Kind<readonly TargetRule[]> = several({
  placeholder: "TARGETS",
  expects: "hosts, patterns such as *.internal, addresses or blocks such as 169.254.0.0/16, between blanks, or none",
  parse: (text): TargetRule | undefined => {
    const range = parseRange(text.replace(/^\[(.*)\]$/, "$1"));
    if (range !== undefined) return { kind: "range", range };
    const rule = text.includes("/") ? undefined : parseHostRule(text);
    return rule === undefined ? undefined : { kind: "host", rule };
  },
});

export const hostMap: Kind<readonly HostMapping[]> = several({
  placeholder: "HOST=TARGET",
  expects: "host[:port]=target[:port] between blanks, an IPv6 address in brackets",
  parse: (text): HostMapping => {
    const parts = text.split("=");
    const [from, to] = parts.map((part) => parseHostPort(part));
    if (parts.length !== 2 || !from || !to || !isPlainHost(from.host) || !isPlainHost(to.host)) {
      return no(`${quote(text)} is not accepted`);
    }
    return { host: from.host, port: from.port, toHost: to.host, toPort: to.port };
  },
});
