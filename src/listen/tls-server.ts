import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { asEntrepotError } from "../core/errors.ts";
import { type HandshakeFailure, nameClosing, nameTlsError } from "./handshake.ts";

export interface TlsServerOptions {
  readonly context: SecureContext;
  /** Certificate by the name the client asks for; the context above where it asks for none. */
  readonly contextFor?: (servername: string) => Promise<SecureContext>;
  /** Milliseconds for the whole handshake. */
  readonly timeout: number;
  readonly highWaterMark: number;
  /** Called once, when the client may send its first request. */
  secure(socket: TLSSocket): void;
  /** Called at most once, when the handshake failed or the client left without having asked for anything. */
  failed(failure: HandshakeFailure, socket: TLSSocket): void;
  /** Whether the client has sent a request since, or is being sent away: what goes wrong after that is no matter of TLS. */
  isSettled(): boolean;
}

/** A client that does not trust a certificate but whose library verifies late leaves within this many milliseconds. */
const leavesWithin = 2000;

/** Speaks TLS as the server on a client's connection. What the client has already sent is read off the socket first. */
export function serveTls(raw: Socket, options: TlsServerOptions): TLSSocket {
  const sentBefore = raw.bytesWritten;
  const receivedBefore = raw.bytesRead - raw.readableLength;
  const { contextFor } = options;
  const settings = {
    isServer: true,
    secureContext: options.context,
    // One HTTP/2 connection is slower for layers fetched in parallel, and every client speaks HTTP/1.1 through a proxy.
    ALPNProtocols: ["http/1.1"],
    highWaterMark: options.highWaterMark,
    ...(contextFor !== undefined && {
      SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) => {
        void selectContext(contextFor, name, done);
      },
    }),
  };
  const socket = new TLSSocket(raw, settings);
  let securedAt: number | undefined;
  let reported = false;
  const report = (failure: HandshakeFailure): void => {
    if (reported) return;
    reported = true;
    options.failed(failure, socket);
  };
  const deadline = setTimeout(() => {
    report({ kind: "tls", problem: `The TLS handshake did not end within ${options.timeout} ms.` });
    socket.destroy();
  }, options.timeout);
  socket.once("secure", () => {
    clearTimeout(deadline);
    securedAt = performance.now();
    options.secure(socket);
  });
  // Every error of a TLSSocket that belongs to no tls.Server comes by this event; 'error' misses those after the handshake.
  socket.on("_tlsError", (error: NodeJS.ErrnoException) => {
    if (!options.isSettled()) report(nameTlsError(error));
    socket.destroy();
  });
  // Half-open is for tunnels: nobody ends a handshake by half.
  socket.once("end", () => {
    if (securedAt === undefined) socket.destroy();
  });
  socket.once("close", () => {
    clearTimeout(deadline);
    if (options.isSettled()) return;
    const rightAfter = securedAt === undefined || performance.now() - securedAt < leavesWithin;
    if (!rightAfter || socket.bytesRead > 0) return;
    report(
      nameClosing({
        secured: securedAt !== undefined,
        sent: raw.bytesWritten - sentBefore,
        received: raw.bytesRead - receivedBefore,
      }),
    );
  });
  return socket;
}

async function selectContext(
  contextFor: (servername: string) => Promise<SecureContext>,
  name: string,
  done: (error: Error | null, context?: SecureContext) => void,
): Promise<void> {
  let context: SecureContext;
  try {
    context = await contextFor(name);
  } catch (thrown) {
    done(asEntrepotError(thrown));
    return;
  }
  done(null, context);
}
