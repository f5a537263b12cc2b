import { BlockList, isIP } from "node:net";
import micromatch from "micromatch";
import type { AddressRange, HostRule, TargetRule } from "../config/addresses.ts";

/** Hosts that are always intercepted: Docker Hub's registry and its token service. */
export const dockerHubHosts: readonly HostRule[] = ["registry-1.docker.io", "auth.docker.io"].map((host) => ({
  host,
  pattern: false,
  port: undefined,
}));

/** A name for our own endpoints that needs no address: reached through the proxy, plain or by CONNECT. */
export const ownName = "docker.caching.proxy.internal";

/** Whether rules are about a host and port. A rule without a port is about the default port of the scheme that is asked with. */
export type HostTest = (host: string, port: number, defaultPort: number) => boolean;

/** Compiles hosts and patterns once. */
export function compileHostRules(rules: readonly HostRule[]): HostTest {
  const exact = new Set<string>();
  const patterns: { matches: (host: string) => boolean; port: number | undefined }[] = [];
  for (const { host, port, pattern } of rules) {
    if (pattern) patterns.push({ matches: micromatch.matcher(host), port });
    else exact.add(`${host} ${port ?? "default"}`);
  }
  return (host, port, defaultPort) => {
    if (exact.has(`${host} ${port}`)) return true;
    if (port === defaultPort && exact.has(`${host} default`)) return true;
    return patterns.some((rule) => (rule.port ?? defaultPort) === port && rule.matches(host));
  };
}

export interface TargetRules {
  /** By name, or by address where the target is a literal. */
  forbidsTarget(host: string, port: number): boolean;
  forbidsAddress(address: string): boolean;
}

/** DENY_TARGETS: names and patterns are tested before a name is resolved, addresses after. A rule without a port is about every port. */
export function compileTargetRules(rules: readonly TargetRule[]): TargetRules {
  const addresses = blockList(rules.flatMap((rule) => (rule.kind === "range" ? [rule.range] : [])));
  const names = rules.flatMap((rule) => (rule.kind === "host" ? [rule.rule] : []));
  const tests = names.map((rule) => ({
    matches: rule.pattern ? micromatch.matcher(rule.host) : (host: string) => host === rule.host,
    port: rule.port,
  }));
  const forbidsAddress = (address: string): boolean => contains(addresses, address);
  return {
    forbidsAddress,
    forbidsTarget: (host, port) =>
      tests.some((test) => (test.port ?? port) === port && test.matches(host)) ||
      (isIP(host) !== 0 && forbidsAddress(host)),
  };
}

/** ALLOW_CLIENTS: which client addresses are served; no entry means every one. */
export function compileClientRules(ranges: readonly AddressRange[]): (address: string) => boolean {
  if (ranges.length === 0) return () => true;
  const addresses = blockList(ranges);
  return (address) => contains(addresses, address);
}

/** TRUSTED_PROXIES: whose word on where a client reaches us counts; no entry means nobody's. */
export function compileTrustedProxies(ranges: readonly AddressRange[]): (address: string) => boolean {
  const addresses = blockList(ranges);
  return (address) => contains(addresses, address);
}

function blockList(ranges: readonly AddressRange[]): BlockList {
  const list = new BlockList();
  for (const { address, prefix, family } of ranges) list.addSubnet(address, prefix, family);
  return list;
}

/** An IPv4 client of a dual-stack socket shows as `::ffff:a.b.c.d`; rules are written for the IPv4 address. */
function contains(list: BlockList, address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  const version = isIP(plain);
  return version !== 0 && list.check(plain, version === 6 ? "ipv6" : "ipv4");
}
