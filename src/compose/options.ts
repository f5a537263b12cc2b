import type { AuthorityOptions } from "../ca/authority.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { ListenerOptions } from "../listen/types.ts";
import type { PolicyOptions } from "../policy/policy.ts";

export function policyOptions(config: Config): PolicyOptions {
  const { registries, allowClients, trustedProxies, denyTargets, allowPush } = config;
  return {
    registries,
    allowClients,
    trustedProxies,
    denyTargets,
    allowPush,
    tiers: {
      enabled: config.enableManifestCache,
      primary: { pattern: config.manifestCachePrimaryRegex, ttl: config.manifestCachePrimaryTime },
      secondary: { pattern: config.manifestCacheSecondaryRegex, ttl: config.manifestCacheSecondaryTime },
      defaultTtl: config.manifestCacheDefaultTime,
    },
  };
}

/** A user's own CA, where both of its files are named; the configuration refuses one without the other. */
export function ownAuthority({ caCrtFile, caKeyFile }: Config): Pick<AuthorityOptions, "certificateFile" | "keyFile"> {
  return caCrtFile === undefined || caKeyFile === undefined ? {} : { certificateFile: caCrtFile, keyFile: caKeyFile };
}

export function listenerOptions(config: Config, clock: Clock): ListenerOptions {
  return {
    hosts: config.host,
    ports: config.port,
    tlsPorts: config.tlsPort,
    timeouts: {
      clientHeader: config.clientHeaderTimeout,
      clientBody: config.clientBodyTimeout,
      send: config.sendTimeout,
      keepAlive: config.keepaliveTimeout,
    },
    tunnel: {
      connect: config.proxyConnectConnectTimeout,
      read: config.proxyConnectReadTimeout,
      send: config.proxyConnectSendTimeout,
    },
    clock,
  };
}
