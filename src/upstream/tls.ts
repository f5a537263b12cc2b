import { X509Certificate } from "node:crypto";
import { type Socket, isIP } from "node:net";
import {
  type ConnectionOptions,
  type SecureContext,
  type TLSSocket,
  connect as tlsConnect,
  createSecureContext,
  getCACertificates,
} from "node:tls";
import { LRUCache } from "lru-cache";
import { EntrepotError } from "../core/errors.ts";
import { cancelled, tlsFailure } from "./failures.ts";
import { settleSocket } from "./tcp.ts";

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

/**
 * TLS over an established connection. Rejects with UPSTREAM_TLS and the signal's reason, and destroys the socket then. Throws CONFIG_INVALID
 * where the extra roots are no certificates.
 */
export function createHandshake(options: TlsOptions): Handshake {
  if (options.extraRoots !== undefined) checkRoots(options.extraRoots);
  // Parsing a few hundred roots takes tens of milliseconds: once, and not before it is needed.
  let context: SecureContext | undefined;
  const sessions = new LRUCache<string, Buffer>({ max: 256, ttl: 3_600_000 });
  return (socket, peer, signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        socket.destroy();
        return reject(cancelled(signal));
      }
      context ??= createSecureContext({ ca: roots(options.extraRoots) });
      const key = `${peer.host} ${peer.port} ${peer.verify}`;
      const session = sessions.get(key);
      const settings: ConnectionOptions & { readonly highWaterMark: number } = {
        socket,
        // For the certificate check of a host that is an address: SNI holds names only (RFC 6066 §3).
        host: peer.host,
        ...(isIP(peer.host) === 0 && { servername: peer.host }),
        secureContext: context,
        rejectUnauthorized: peer.verify,
        ALPNProtocols: ["http/1.1"],
        highWaterMark: options.highWaterMark,
        ...(session && { session }),
      };
      const secure = tlsConnect(settings);
      secure.on("session", (fresh: Buffer) => sessions.set(key, fresh));
      settleSocket(secure, "secureConnect", (error) => tlsFailure(error, peer.host), signal, resolve, reject);
    });
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
