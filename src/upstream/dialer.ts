import type { Agent } from "node:http";
import { type OnReadOpts, type Socket, isIP } from "node:net";
import { type Origin, defaultPorts } from "../core/origin.ts";
import { cancelled, denied, timeout } from "./failures.ts";
import { type EgressOptions, createEgress } from "./egress.ts";
import { Pool } from "./pool.ts";
import { connectThrough, createForeignTunnels, proxyAuthorization } from "./proxy-tunnel.ts";
import { type Resolve, type TcpOptions, openTcp } from "./tcp.ts";
import { createTls } from "./tls.ts";
import { type Wire, WirePool, openWire } from "./wire.ts";

export interface DialerOptions {
  /** HOST_MAP: where to connect instead. SNI, Host and the certificate check stay the name's. Not asked of `forbids`. */
  readonly hostMap?: readonly HostMapping[];
  /** DISABLE_IPV6. */
  readonly ipv4Only?: boolean;
  /** VERIFY_SSL; true unless said otherwise. */
  readonly verify?: boolean;
  /** UPSTREAM_CA_FILE's content, PEM. */
  readonly extraRoots?: string | undefined;
  /** `host` or `host:port` whose certificate is not checked. */
  readonly insecure?: readonly string[];
  /** `host` or `host:port` that is spoken to in plain HTTP; on port 80 where the origin's is 443. */
  readonly plainHttp?: readonly string[];
  readonly egress?: EgressOptions;
  /** Whether policy denies an address; asked of every one before it is connected to, except through an egress proxy, which resolves names itself. */
  readonly forbids?: (address: string) => boolean;
  /** Milliseconds for name, connection and TLS together (PROXY_CONNECT_TIMEOUT). */
  readonly connectMs: number;
  /** The same for blind tunnels (PROXY_CONNECT_CONNECT_TIMEOUT). */
  readonly tunnelConnectMs: number;
  /** Idle connections kept for each origin, and for how many milliseconds. */
  readonly maxIdle?: number;
  readonly idleMs?: number;
  /** In place of the system's resolver. */
  readonly resolve?: Resolve | undefined;
}

export interface HostMapping {
  readonly host: string;
  /** Undefined: any. */
  readonly port: number | undefined;
  readonly toHost: string;
  /** Undefined: the port that was asked for. */
  readonly toPort: number | undefined;
}

/** How requests to an origin are sent. */
export interface Route {
  readonly agent: Agent;
  /** Stands before the path: the absolute form that an HTTP proxy wants of a plain request (RFC 9112 §3.2.2). */
  readonly prefix: string;
  readonly proxyAuthorization: string | undefined;
}

export interface Dialer {
  /** `pooled` false: a connection for this request alone. */
  route(origin: Origin, pooled: boolean): Route;
  /** Connections to an origin that are read without garbage; undefined where the way leads through an egress proxy. */
  wires(origin: Origin): WirePool | undefined;
  /** Ends the idle connections to an origin. */
  forget(origin: Origin): void;
  /** Whether it is spoken to in plain HTTP. */
  readonly isPlain: (origin: Origin) => boolean;
  /**
   * A connection for a blind tunnel, half-open allowed. Where the way is direct, what comes goes to `onread`. Rejects with UPSTREAM_UNRESOLVED, UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, DENIED or
   * CANCELLED.
   */
  connect(host: string, port: number, signal: AbortSignal, onread?: OnReadOpts): Promise<Socket>;
  /** Ends the idle connections. */
  close(): void;
}

/** Measured: from 256 KiB on nothing is gained; node hands TLS out in pieces of 16 KiB whatever this says. */
export const highWaterMark = 256 * 1024;

/** Throws CONFIG_INVALID for roots and proxies that cannot be read. */
export function createDialer(options: DialerOptions): Dialer {
  const forbids = options.forbids ?? (() => false);
  const tcp: TcpOptions = { ipv4Only: options.ipv4Only ?? false, forbids, resolve: options.resolve };
  // The operator's own choice of a peer (a proxy, a mapped address) is not the requester's, which policy is about.
  const trusted: TcpOptions = { ...tcp, forbids: () => false };
  const chooseEgress = createEgress(options.egress ?? {});
  const tls = createTls({ extraRoots: options.extraRoots, highWaterMark });
  const { handshake } = tls;
  const foreign = createForeignTunnels(tcp, highWaterMark, Math.max(options.connectMs, options.tunnelConnectMs));
  const mapping = new Map(options.hostMap?.map((entry) => [`${entry.host} ${entry.port ?? "any"}`, entry]));
  const insecure = matchHosts(options.insecure);
  const plainHttp = matchHosts(options.plainHttp);
  const verify = options.verify ?? true;

  const isPlain = (origin: Origin) => origin.scheme === "http" || plainHttp(origin.host, origin.port);

  const place = (host: string, port: number, plain: boolean) => {
    const mapped = mapping.get(`${host} ${port}`) ?? mapping.get(`${host} any`);
    const asked = plain && port === defaultPorts.https ? defaultPorts.http : port;
    if (mapped) return { host: mapped.toHost, port: mapped.toPort ?? asked, mapped: true };
    return { host, port: asked, mapped: false };
  };

  const egressFor = (host: string, port: number, secure: boolean) => {
    const peer = place(host, port, !secure);
    const proxy = chooseEgress({ secure, host, port });
    return peer.mapped && chooseEgress({ secure, host: peer.host, port: peer.port }) === undefined ? undefined : proxy;
  };

  const openProxy = async (proxy: URL, signal: AbortSignal) => {
    const secure = proxy.protocol === "https:";
    const host = proxy.hostname.replace(/^\[|\]$/g, "");
    const port = proxy.port === "" ? defaultPorts[secure ? "https" : "http"] : Number(proxy.port);
    const socket = await openTcp(host, port, trusted, highWaterMark, signal);
    return secure ? handshake(socket, { host, port, verify: verify && !insecure(host, port) }, signal) : socket;
  };

  /** A byte stream to a host. `wire`: what will be spoken on it. */
  const openStream = async (
    host: string,
    port: number,
    wire: "tls" | "http" | "unknown",
    signal: AbortSignal,
    onread?: OnReadOpts,
  ): Promise<Socket> => {
    const proxy = egressFor(host, port, wire !== "http");
    const peer = place(host, port, wire === "http");
    if (proxy === undefined) {
      return openTcp(peer.host, peer.port, peer.mapped ? trusted : tcp, highWaterMark, signal, onread);
    }
    // Names are resolved behind the proxy, but an address is one at once.
    if (!peer.mapped && isIP(host) !== 0 && forbids(host)) throw denied(host);
    if (!isHttpProxy(proxy)) return foreign(proxy, peer.host, peer.port, wire !== "http", signal);
    const socket = await openProxy(proxy, signal);
    return wire === "http" ? socket : connectThrough(socket, proxy, peer.host, peer.port, signal);
  };

  const openOrigin = (origin: Origin, signal: AbortSignal) =>
    within(options.connectMs, origin.host, signal, async (limited) => {
      const { host, port } = origin;
      const plain = isPlain(origin);
      const socket = await openStream(host, port, plain ? "http" : "tls", limited);
      return plain ? socket : handshake(socket, { host, port, verify: verify && !insecure(host, port) }, limited);
    });

  const openOriginWire = (origin: Origin, signal: AbortSignal): Promise<Wire> =>
    within(options.connectMs, origin.host, signal, (limited) => {
      const { host, port } = origin;
      const plain = isPlain(origin);
      const peer = place(host, port, plain);
      const at = peer.mapped ? trusted : tcp;
      return openWire((onread) =>
        plain
          ? openTcp(peer.host, peer.port, at, highWaterMark, limited, onread)
          : tls.open(
              { host: peer.host, port: peer.port, tcp: at, onread },
              { host, port, verify: verify && !insecure(host, port) },
              limited,
            ),
      );
    });

  const idle = { maxIdle: options.maxIdle ?? 32, idleMs: options.idleMs ?? 60_000 };
  const kept = new Pool(openOrigin, { ...idle, keepAlive: true });
  const single = new Pool(openOrigin, { ...idle, keepAlive: false });
  const wires = new WirePool(openOriginWire, idle);

  return {
    isPlain,
    route(origin, pooled) {
      const agent = pooled ? kept : single;
      const proxy = isPlain(origin) ? egressFor(origin.host, origin.port, false) : undefined;
      if (proxy === undefined || !isHttpProxy(proxy)) return { agent, prefix: "", proxyAuthorization: undefined };
      const peer = place(origin.host, origin.port, true);
      const host = peer.host.includes(":") ? `[${peer.host}]` : peer.host;
      const prefix = `http://${host}${peer.port === defaultPorts.http ? "" : `:${peer.port}`}`;
      return { agent, prefix, proxyAuthorization: proxyAuthorization(proxy) };
    },
    wires: (origin) => (egressFor(origin.host, origin.port, !isPlain(origin)) === undefined ? wires : undefined),
    forget(origin) {
      kept.forget(origin);
      wires.forget(origin);
    },
    connect: (host, port, signal, onread) =>
      within(options.tunnelConnectMs, host, signal, (limited) => openStream(host, port, "unknown", limited, onread)),
    close() {
      kept.destroy();
      single.destroy();
      wires.destroy();
    },
  };
}

function isHttpProxy(proxy: URL): boolean {
  return proxy.protocol === "http:" || proxy.protocol === "https:";
}

function matchHosts(entries: readonly string[] | undefined): (host: string, port: number) => boolean {
  const set = new Set(entries?.map((entry) => entry.toLowerCase().replace(/[[\]]/g, "")));
  return (host, port) => set.has(host) || set.has(`${host}:${port}`);
}

/** Runs with a signal that also ends after so many milliseconds, with UPSTREAM_TIMEOUT as its reason. */
async function within<T>(
  ms: number,
  host: string,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limited = new AbortController();
  const aborted = () => limited.abort(cancelled(signal));
  if (signal.aborted) aborted();
  signal.addEventListener("abort", aborted, { once: true });
  const timer = setTimeout(() => {
    limited.abort(timeout(`${host} did not accept a connection within ${ms} ms.`));
  }, ms);
  try {
    return await run(limited.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", aborted);
  }
}
