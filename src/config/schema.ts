import { addressRanges, hostMap, hostRules, listenHosts, port, ports, targetRules } from "./addresses.ts";
import { credentials, upstreamSettings } from "./credentials.ts";
import { htpasswdOptions } from "./accounts.ts";
import { imageOptions } from "./front-image.ts";
import { domainOptions } from "./front-domain.ts";
import { mirrorOptions, mirrorSwitch } from "./front-mirror.ts";
import { zotOptions } from "./front-zot.ts";
import { fronts } from "./fronts.ts";
import { type Option, option } from "./option.ts";
import { prefetch } from "./prefetch.ts";
import { registry } from "./registry.ts";
import {
  boolean,
  choice,
  delimiter,
  duration,
  noProxy,
  path,
  proxyUrl,
  size,
  sizeOrZero,
  tagPattern,
  timeoutOrZero,
} from "./scalars.ts";
import { timeouts } from "./timeouts.ts";
import { workers } from "./workers.ts";

/** Every option, in the order in which help lists them. The one place where an option is declared. */
export const options = {
  config: option({
    group: "General",
    kind: path,
    from: "caller",
    help: "A YAML file with options under their file keys.",
  }),
  shutdownTimeout: option({
    group: "General",
    kind: timeoutOrZero,
    default: "30s",
    help: "How long a stop waits for running exchanges to end before it cuts them.",
  }),
  workers: option({
    group: "General",
    kind: workers,
    default: "auto",
    help:
      "How many processes serve clients, on one cache, port and CA. auto is one for each core that the program may use: its CPU affinity and its container's " +
      "CPU limit count. With more than one, SIGHUP reads configuration and program anew without dropping a pull, and one process more, which serves nobody, " +
      "keeps what is one for all.",
  }),

  port: option({
    group: "Listening",
    kind: ports,
    default: "3128",
    help: "Where the proxy listens, in plain text: what HTTPS_PROXY=http://... of a client points at.",
  }),
  tlsPort: option({
    group: "Listening",
    kind: ports,
    default: "",
    help: "Where the proxy listens over TLS: what HTTPS_PROXY=https://... of a client points at.",
  }),
  host: option({
    group: "Listening",
    kind: listenHosts,
    default: "0.0.0.0 ::",
    help: "The addresses that it listens on.",
  }),
  allowClients: option({
    group: "Listening",
    kind: addressRanges,
    default: "",
    otherwise: "everybody",
    help: "The clients that are served.",
  }),
  trustedProxies: option({
    group: "Listening",
    kind: addressRanges,
    default: "",
    otherwise: "nobody",
    help: "Proxies before this one whose X-Forwarded-Proto and X-Forwarded-Host say under which URL clients reach it.",
  }),
  denyTargets: option({
    group: "Listening",
    kind: targetRules,
    default: "169.254.0.0/16 fe80::/10",
    help: "What tunnels and plain forwarding refuse with 403. The default keeps clients from a cloud's metadata service.",
  }),

  registries: option({
    group: "Registries",
    kind: hostRules,
    default: "registry.k8s.io gcr.io quay.io ghcr.io",
    help: "The registries to intercept and cache. Docker Hub's registry-1.docker.io and auth.docker.io always are.",
  }),
  authRegistries: option({
    group: "Registries",
    kind: credentials,
    default: "",
    secret: true,
    help:
      "Credentials to send where a client sends none, each to exactly its host. A password may contain the part delimiter. " +
      "With the part delimiter ':' a host may carry a port, reg.test:5000:user:password: a second part that is a number from 1 to 65535 " +
      "is a port if at least two parts follow it. A user that is such a number, with a password that contains ':', needs another delimiter or the file. " +
      "Blanks around an entry do not count.",
  }),
  authRegistriesDelimiter: option({
    group: "Registries",
    kind: delimiter,
    default: " ",
    help: "What stands between the entries of AUTH_REGISTRIES; ';;;' for a password that contains blanks, such as a JSON key.",
  }),
  authRegistryDelimiter: option({
    group: "Registries",
    kind: delimiter,
    default: ":",
    help: "What stands between host, user and password; ':::' for a user or a host that contains a colon.",
  }),
  upstreams: option({
    group: "Registries",
    kind: upstreamSettings,
    from: "file",
    default: "",
    help: "Registries that speak plain HTTP, or whose certificate is not to be checked.",
  }),

  ...mirrorSwitch,
  ...mirrorOptions,
  ...imageOptions,
  ...htpasswdOptions,
  ...domainOptions,
  ...zotOptions,
  fronts: option({
    group: "Fronts",
    kind: fronts,
    from: "file",
    default: "",
    help: "Any number of further fronts, told apart by their hosts; each has the options of its kind under their file keys.",
  }),

  cacheDir: option({
    group: "Cache",
    kind: path,
    default: "./cache",
    alias: "proxyStorage",
    help: "Where cached blobs and manifests live.",
  }),
  cacheMaxSize: option({
    group: "Cache",
    kind: size,
    default: "32g",
    help: "Over this size the least recently used blobs go.",
  }),
  cacheInactive: option({
    group: "Cache",
    kind: duration(1000),
    default: "60d",
    help: "What nobody used for this long goes.",
  }),
  cacheMinFree: option({
    group: "Cache",
    kind: sizeOrZero,
    default: "1g",
    help: "While less than this is free on its file system, the least recently used blobs go; 0 turns that off.",
  }),
  cacheFillAbandon: option({
    group: "Cache",
    kind: choice("finish", "stop"),
    default: "finish",
    help: "What becomes of a download when the last client that waited for it goes away: it is finished, or it stops.",
  }),
  cacheAccess: option({
    group: "Cache",
    kind: choice("verified", "shared"),
    default: "verified",
    help:
      "verified: what is cached goes to those whom its registry would serve. " +
      "shared: to every client, private images included, whoever's credential brought them.",
  }),
  publicTtl: option({
    group: "Cache",
    kind: duration(0),
    default: "24h",
    help: "How long a repository counts as public after its registry served it to somebody anonymous.",
  }),
  grantTtl: option({
    group: "Cache",
    kind: duration(0, 24 * 3_600_000),
    default: "5m",
    help: "How long a credential is known to read a repository after its registry served it; what was taken back counts that much longer.",
  }),
  staleIfError: option({
    group: "Cache",
    kind: duration(0),
    default: "60d",
    help: "How long past its time a cached tag, and a repository's being public, still count while the registry cannot be asked.",
  }),
  staleWhileRevalidate: option({
    group: "Cache",
    kind: duration(0),
    default: "0",
    help: "How long past its time a tag is served at once and checked with its registry afterwards; 0 checks first.",
  }),

  prefetch: option({
    group: "Cache",
    kind: prefetch,
    default: "none",
    help:
      "Fetches what a client will ask for next once it got a manifest that was not cached: config and layers, and of an index the images of these platforms. " +
      "At low priority, with that client's credential. At Docker Hub each image counts as a pull, whether a client comes for it or not.",
  }),

  enableManifestCache: option({
    group: "Manifest cache",
    kind: boolean,
    default: "false",
    help: "false: a tag is checked with its registry at every pull. true: a tag is fresh for the time of its tier.",
  }),
  manifestCachePrimaryRegex: option({
    group: "Manifest cache",
    kind: tagPattern,
    default: "(stable|nightly|production|test)",
    help: "Tags of the first tier: anchored at the start of the tag, open at its end, case-sensitive.",
  }),
  manifestCachePrimaryTime: option({
    group: "Manifest cache",
    kind: duration(0),
    default: "10m",
    help: "How long a tag of the first tier is fresh.",
  }),
  manifestCacheSecondaryRegex: option({
    group: "Manifest cache",
    kind: tagPattern,
    default: String.raw`(.*)(\d|\.)+(.*)(\d|\.)+(.*)(\d|\.)+`,
    help: "Tags of the second tier, tested after the first: by default those that look like versions.",
  }),
  manifestCacheSecondaryTime: option({
    group: "Manifest cache",
    kind: duration(0),
    default: "60d",
    help: "How long a tag of the second tier is fresh.",
  }),
  manifestCacheDefaultTime: option({
    group: "Manifest cache",
    kind: duration(0),
    default: "1h",
    help: "How long every other tag is fresh.",
  }),

  allowPush: option({
    group: "Push",
    kind: boolean,
    default: "false",
    help: "false: POST, PUT, PATCH and DELETE to a registry get 405. true: they pass with the client's own credentials.",
  }),
  injectOnPush: option({
    group: "Push",
    kind: boolean,
    default: "false",
    help:
      "true: a push without credentials to a registry of AUTH_REGISTRIES gets those, so that whoever reaches the proxy may push there. " +
      "Most clients send none to a registry that they can read without.",
  }),
  proxyRequestBuffering: option({
    group: "Push",
    kind: boolean,
    default: "false",
    help: "true: an upload is written to disk before it is sent on.",
  }),
  cacheOnPush: option({
    group: "Push",
    kind: boolean,
    default: "false",
    help: "true: what is pushed through is kept as well, once the registry has accepted it, so that the next pull is a hit.",
  }),

  ...registry,

  caDir: option({
    group: "Certificates",
    kind: path,
    default: "./ca",
    help: "Where the CA that clients trust lives. It is made at the first start.",
  }),
  caCrtFile: option({
    group: "Certificates",
    kind: path,
    otherwise: "ca.crt in CA_DIR",
    help: "The certificate of a CA of your own, RSA or EC, in PEM, intermediates behind it.",
  }),
  caKeyFile: option({
    group: "Certificates",
    kind: path,
    otherwise: "ca.key in CA_DIR",
    help: "Its private key in PEM: PKCS#8, PKCS#1 or SEC1.",
  }),
  verifySsl: option({
    group: "Certificates",
    kind: boolean,
    default: "true",
    help: "Whether certificates of registries are checked. One registry alone can be excepted under upstreams in the file.",
  }),
  upstreamCaFile: option({
    group: "Certificates",
    kind: path,
    help: "Further root certificates, in PEM, to check registries against.",
  }),

  httpsProxy: option({
    group: "Way out",
    kind: proxyUrl,
    secret: true,
    help: "The proxy on the way to registries that speak HTTPS. Lower-case names of these four variables work too.",
  }),
  httpProxy: option({
    group: "Way out",
    kind: proxyUrl,
    secret: true,
    help: "The proxy on the way to what speaks plain HTTP.",
  }),
  allProxy: option({
    group: "Way out",
    kind: proxyUrl,
    secret: true,
    help: "The proxy where neither of the two is set.",
  }),
  noProxy: option({
    group: "Way out",
    kind: noProxy,
    help: "Hosts that are reached without a proxy.",
  }),
  hostMap: option({
    group: "Way out",
    kind: hostMap,
    default: "",
    help: "Connects elsewhere, registry-1.docker.io:443=127.0.0.1:5443; the name in TLS, in Host and in the certificate check stays.",
  }),
  disableIpv6: option({
    group: "Way out",
    kind: boolean,
    default: "false",
    help: "Connects to registries over IPv4 only.",
  }),

  ...timeouts,

  logLevel: option({
    group: "Logs and debugging",
    kind: choice("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    default: "info",
    help: "The least severe lines that are logged.",
  }),
  logFormat: option({
    group: "Logs and debugging",
    kind: choice("auto", "json", "pretty"),
    default: "auto",
    help: "One JSON object per line, or lines for people; auto is pretty on a terminal, else json.",
  }),
  debug: option({
    group: "Logs and debugging",
    kind: boolean,
    default: "false",
    help: "An inspector page of the clients' side, secrets redacted.",
  }),
  debugPort: option({
    group: "Logs and debugging",
    kind: port,
    default: "8081",
    help: "Where that page is.",
  }),
  debugHub: option({
    group: "Logs and debugging",
    kind: boolean,
    default: "false",
    help: "An inspector page of the registries' side, secrets redacted.",
  }),
  debugHubPort: option({
    group: "Logs and debugging",
    kind: port,
    default: "8082",
    help: "Where that page is.",
  }),
} as const;

export type OptionName = keyof typeof options;

/** Every effective value: durations in milliseconds, sizes in bytes, patterns compiled. Undefined: nobody set it, and it has no default. */
export type Config = {
  readonly [Name in OptionName]: (typeof options)[Name] extends Option<infer Value> ? Value : never;
};

/** The table for code that walks over it. */
export const optionTable: readonly (readonly [name: OptionName, declared: Option<unknown>])[] = Object.entries(
  options,
).map(([name, declared]) => [name as OptionName, declared]);
