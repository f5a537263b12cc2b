import net from "node:net";
import tls from "node:tls";
import type { Target } from "../contenders/contender.ts";
import { registryHost } from "../pki.ts";

/** A connection on which TLS with the registry may begin. */
export async function dial(target: Target): Promise<net.Socket> {
  const raw = await (target.way === "connect" ? connectThrough(target.port) : connectTo(target.port));
  return raw.setNoDelay(true);
}

/** Begins TLS; the socket says `secureConnect` or `error`. `roots`: PEM. */
export function secure(raw: net.Socket, roots: Buffer): tls.TLSSocket {
  return tls.connect({
    socket: raw,
    servername: registryHost,
    ca: roots,
    ALPNProtocols: ["http/1.1"],
    // The order in which Go programs, so all container clients, offer them on a CPU with AES instructions.
    ciphers: "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    minVersion: "TLSv1.3",
    ecdhCurve: "X25519:P-256",
  });
}

/** What is sent to GET `path`. */
export function request(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${registryHost}\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\r\n`;
}

function connectTo(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** RFC 9110 §9.3.6. */
function connectThrough(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let head = "";
    const onData = (piece: Buffer): void => {
      head += piece.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", onData);
      socket.pause();
      if (/^HTTP\/1\.[01] 200 /.test(head)) resolve(socket);
      else reject(new Error(`CONNECT was answered: ${head.slice(0, 200)}`));
    };
    socket.on("data", onData);
    socket.once("error", reject);
    socket.write(`CONNECT ${registryHost}:443 HTTP/1.1\r\nHost: ${registryHost}:443\r\nUser-Agent: bench\r\n\r\n`);
  });
}
