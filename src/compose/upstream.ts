import { readFile } from "node:fs/promises";
import type { Credentials } from "../auth/credentials.ts";
import { createAuthorizer } from "../auth/tokens.ts";
import { authority } from "../config/credentials.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentLength } from "../core/headers.ts";
import type { Share } from "../core/shared-map.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { HttpEvent } from "../observe/redact.ts";
import type { Policy } from "../policy/policy.ts";
import { createUpstream, type HopSeen, type Upstream } from "../upstream/client.ts";
import type { Guard } from "./guard.ts";

export interface UpstreamNeeds {
  readonly credentials: Credentials;
  readonly guard: Guard;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly log: Log;
  readonly share: Share;
  readonly metrics: Metrics;
  /** DEBUG_HUB's inspector, where it is on. */
  readonly seen: ((event: HttpEvent) => void) | undefined;
}

export async function openUpstream(
  config: Config,
  { credentials, guard, policy, clock, log, share, metrics, seen }: UpstreamNeeds,
): Promise<Upstream> {
  const { httpsProxy, httpProxy, allProxy, noProxy } = config;
  const upstream = createUpstream({
    dialer: {
      hostMap: config.hostMap,
      ipv4Only: config.disableIpv6,
      verify: config.verifySsl,
      extraRoots: config.upstreamCaFile === undefined ? undefined : await readRoots(config.upstreamCaFile),
      insecure: hostsWith(config, "insecure"),
      plainHttp: hostsWith(config, "plainHttp"),
      egress: { httpsProxy, httpProxy, allProxy, noProxy },
      forbids: policy.forbidsAddress,
      connectMs: config.proxyConnectTimeout,
      tunnelConnectMs: config.proxyConnectConnectTimeout,
    },
    timeouts: { readMs: config.proxyReadTimeout, sendMs: config.proxySendTimeout },
    authorizer: (send, isPlain) => createAuthorizer({ credentials, send, isPlain, clock, log, share }),
    breaker: guard.breaker,
    onHop: (hop) => {
      metrics.upstreamAnswered(hop.origin.name, hop.status);
      guard.quotas.observe(hop.origin, guard.payer(hop), hop.responseHeaders);
      seen?.(eventOf(hop));
    },
  });
  return {
    ...upstream,
    async fetch(request) {
      const response = await upstream.fetch(request);
      const length = contentLength(response.headers);
      if (length !== undefined && request.method !== "HEAD") {
        response.body.once("end", () => metrics.fetched(request.origin.name, length));
      }
      return response;
    },
  };
}

function hostsWith(config: Config, wanted: "insecure" | "plainHttp"): string[] {
  return config.upstreams.filter((entry) => entry[wanted]).map(({ host, port }) => authority(host, port));
}

function eventOf({ origin, method, path, status, requestHeaders, responseHeaders, ms }: HopSeen): HttpEvent {
  return { host: origin.name, method, path, status, requestHeaders, responseHeaders, ms };
}

async function readRoots(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const problem = `UPSTREAM_CA_FILE: ${path} cannot be read; it may be a PEM file of certificates.`;
    throw new EntrepotError("CONFIG_INVALID", problem, { cause });
  }
}
