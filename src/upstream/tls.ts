import { X509Certificate } from "node:crypto";
import { type OnReadOpts, type Socket, isIP } from "node:net";
import {
  type ConnectionOptions,
  type SecureContext,
  type TLSSocket,
  checkServerIdentity,
  connect as tlsConnect,
  createSecureContext,
  getCACertificates,
} from "node:tls";
import { LRUCache } from "lru-cache";
import { EntrepotError } from "../core/errors.ts";
import { cancelled, connectFailure, denied, tlsFailure } from "./failures.ts";
import { type TcpOptions, settleSocket, socketOptions } from "./tcp.ts";

export interface TlsOptions {
  /** Certificates of further authorities, PEM, besides node's own and the system's. */
  readonly extraRoots?: string | undefined;
  readonly highWaterMark: number;
}

/** Who is spoken to: the name of SNI and of the certificate check, and the key that sessions are kept under. */
export interface TlsPeer {
  readonly host: string;
  readonly port: number;
  readonly verify: boolean;
}

export type Handshake = (socket: Socket, peer: TlsPeer, signal: AbortSignal) => Promise<TLSSocket>;

/** Where to connect to, and what takes the decrypted bytes. */
export interface TlsConnection {
  readonly host: string;
  readonly port: number;
  readonly tcp: TcpOptions;
  readonly onread: OnReadOpts;
}

export interface Tls {
  /** TLS over an established connection. Rejects with UPSTREAM_TLS and the signal's reason, and destroys the socket then. */
  readonly handshake: Handshake;
  /** TLS over a connection of its own, since node reads into a given buffer on such a one only. Rejects as openTcp and `handshake` do. */
  open(connection: TlsConnection, peer: TlsPeer, signal: AbortSignal): Promise<TLSSocket>;
}

/** Throws CONFIG_INVALID where the extra roots are no certificates. */
export function createTls(options: TlsOptions): Tls {
  if (options.extraRoots !== undefined) checkRoots(options.extraRoots);
  // Parsing a few hundred roots takes tens of milliseconds: once, and not before it is needed.
  let context: SecureContext | undefined;
  const sessions = new LRUCache<string, Buffer>({ max: 256, ttl: 3_600_000 });

  const connect = (peer: TlsPeer, way: ConnectionOptions & { readonly onread?: OnReadOpts }) => {
    context ??= createSecureContext({ ca: roots(options.extraRoots) });
    const key = `${peer.host} ${peer.port} ${peer.verify}`;
    const session = sessions.get(key);
    const settings: ConnectionOptions & { readonly highWaterMark: number } = {
      ...way,
      // SNI holds names only (RFC 6066 §3); the certificate is checked for an address too.
      ...(isIP(peer.host) === 0 && { servername: peer.host }),
      checkServerIdentity: (_, certificate) => checkServerIdentity(peer.host, certificate),
      secureContext: context,
      rejectUnauthorized: peer.verify,
      ALPNProtocols: ["http/1.1"],
      highWaterMark: options.highWaterMark,
      ...(session && { session }),
    };
    const secure = tlsConnect(settings);
    secure.on("session", (fresh: Buffer) => sessions.set(key, fresh));
    return secure;
  };

  return {
    handshake: (socket, peer, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          socket.destroy();
          return reject(cancelled(signal));
        }
        const secure = connect(peer, { socket, host: peer.host });
        settleSocket(secure, "secureConnect", (error) => tlsFailure(error, peer.host), signal, resolve, reject);
      }),
    open: ({ host, port, tcp, onread }, peer, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(cancelled(signal));
        if (isIP(host) !== 0 && tcp.forbids(host)) return reject(denied(host));
        const secure = connect(peer, { ...socketOptions(tcp, options.highWaterMark), host, port, onread });
        let connected = false;
        secure.once("connect", () => (connected = true));
        const map = (error: unknown) => (connected ? tlsFailure(error, peer.host) : connectFailure(error, host));
        settleSocket(secure, "secureConnect", map, signal, resolve, reject);
      }),
  };
}

function roots(extra: string | undefined): string[] {
  const all = new Set([...getCACertificates("bundled"), ...getCACertificates("system"), ...getCACertificates("extra")]);
  return extra === undefined ? [...all] : [...all, extra];
}

function checkRoots(pem: string): void {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.map((block) => new X509Certificate(block)).length > 0) return;
  } catch {
    // Said below.
  }
  throw new EntrepotError(
    "CONFIG_INVALID",
    "UPSTREAM_CA_FILE holds no certificate, or a broken one. It takes one or more in PEM.",
  );
}
