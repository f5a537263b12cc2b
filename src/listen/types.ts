import type { OnReadOpts, Socket } from "node:net";
import type { SecureContext } from "node:tls";
import type { Clock } from "../core/clock.ts";
import type { Origin } from "../core/origin.ts";
import type { Log } from "../observe/log.ts";
import type { Trace } from "../observe/trace.ts";
import type { Handler } from "../serve/exchange.ts";
import type { HotLook } from "../serve/hot.ts";

export interface ListenerOptions {
  /** Addresses to listen on; `0.0.0.0` and `::` together are IPv4 and IPv6 each on its own socket. */
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  /** Ports on which the proxy itself speaks TLS (HTTPS_PROXY=https://). */
  readonly tlsPorts?: readonly number[];
  /** Whose certificate a client gets that sends no server name; the address it connected to where unset. */
  readonly tlsName?: string;
  /** Milliseconds. */
  readonly timeouts: {
    /** For the whole header of a request, and for a TLS handshake. */
    readonly clientHeader: number;
    /** Without a byte of a request's body. */
    readonly clientBody: number;
    /** Without the client taking a byte of what it is sent. */
    readonly send: number;
    /** Between two exchanges of a connection; 0 closes it after each. */
    readonly keepAlive: number;
  };
  /** Blind tunnels; milliseconds. */
  readonly tunnel: {
    readonly connect: number;
    /** Without a byte in either direction. */
    readonly read: number;
    /** Without a byte taken, while some wait to be. */
    readonly send: number;
  };
  readonly clock?: Clock;
}

/** What the listener needs of other rooms. */
export interface ListenerParts {
  /** The origin that a CONNECT or absolute-form target means, where it is one we intercept. */
  intercepts(scheme: "https" | "http", host: string, port: number): Origin | undefined;
  /** docker.caching.proxy.internal: our own endpoints under a name of their own, also inside CONNECT. */
  isOwnName(host: string): boolean;
  admitsClient(address: string): boolean;
  forbidsTarget(host: string, port: number): boolean;
  /** The certificate for a host name or address. */
  contextFor(host: string): Promise<SecureContext>;
  /** The same, where it is in memory. */
  hotContextFor?(host: string): SecureContext | undefined;
  /** Dials for a blind tunnel, whose bytes go to `onread` unless the way leads through a proxy; rejects with UPSTREAM_UNRESOLVED, UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT or DENIED. */
  connect(host: string, port: number, signal: AbortSignal, onread?: OnReadOpts): Promise<Socket>;
  /** Exchanges for an intercepted origin. */
  readonly registry: Handler;
  /** Answers of `registry` that need nothing but memory; where it is left out, all go there. */
  readonly hot?: HotLook;
  /** Absolute form to a host that is not intercepted; `arrival.origin` is its http origin. */
  readonly forward: Handler;
  /** Our own endpoints and doors; `arrival.origin` is undefined. */
  readonly own: Handler;
  /** Logs a tunnel, or a refusal that never became an Exchange. */
  record(trace: Trace): void;
  readonly log: Log;
}

/** A bound socket that a worker has from its primary, as its primary bound one for each queue at each place. */
export interface InheritedSocket {
  /** A descriptor of the process that has this: primary and worker number it differently. */
  readonly fd: number;
  readonly tls: boolean;
  /** The kernel spreads the connections of a place over its queues. */
  readonly queue: number;
}

export interface Inherited {
  readonly sockets: readonly InheritedSocket[];
  /** Those that are this worker's to take connections from. */
  readonly queues: readonly number[];
}

/** A socket that is listened on. */
export interface Listening {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}
