import type { AddressRange, HostRule, TargetRule } from "../config/addresses.ts";
import { defaultPorts, makeOrigin, type Origin } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import { decide, type Decision, type DecisionRules } from "./decide.ts";
import {
  compileClientRules,
  compileHostRules,
  compileTargetRules,
  compileTrustedProxies,
  dockerHubHosts,
  ownName,
} from "./hosts.ts";

export interface PolicyOptions extends DecisionRules {
  /** REGISTRIES: hosts, `host:port` and patterns to intercept besides Docker Hub's. */
  readonly registries: readonly HostRule[];
  /** ALLOW_CLIENTS: addresses and networks; none means everybody. */
  readonly allowClients: readonly AddressRange[];
  /** TRUSTED_PROXIES: addresses and networks; none means nobody. */
  readonly trustedProxies: readonly AddressRange[];
  /** DENY_TARGETS: hosts, patterns and networks that are not tunnelled or forwarded to. */
  readonly denyTargets: readonly TargetRule[];
}

/** All rules, compiled once. Nothing in here does I/O. */
export interface Policy {
  intercepts(scheme: "https" | "http", host: string, port: number): Origin | undefined;
  isOwnName(host: string): boolean;
  admitsClient(address: string): boolean;
  /** Whether what a client says in X-Forwarded-* is to be believed. */
  trustsProxy(address: string): boolean;
  forbidsTarget(host: string, port: number): boolean;
  forbidsAddress(address: string): boolean;
  /** `allowPush`: in place of ALLOW_PUSH, for the front that a request came through. */
  decide(method: string, request: RegistryRequest, allowPush?: boolean): Decision;
}

export function compilePolicy(options: PolicyOptions): Policy {
  const intercepted = compileHostRules([...dockerHubHosts, ...options.registries]);
  const admits = compileClientRules(options.allowClients);
  const targets = compileTargetRules(options.denyTargets);
  return {
    intercepts: (scheme, host, port) =>
      intercepted(host, port, defaultPorts[scheme]) ? makeOrigin(scheme, host, port) : undefined,
    isOwnName: (host) => host === ownName,
    admitsClient: admits,
    trustsProxy: compileTrustedProxies(options.trustedProxies),
    forbidsTarget: targets.forbidsTarget,
    forbidsAddress: targets.forbidsAddress,
    decide: (method, request, allowPush = options.allowPush) =>
      decide(allowPush === options.allowPush ? options : { ...options, allowPush }, method, request),
  };
}
