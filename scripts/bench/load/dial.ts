import { readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import type { Target } from "../contenders/contender.ts";
import { registryHost } from "../pki.ts";

/** A connection on which HTTP may begin, over TLS where the target speaks it. */
export async function dial(target: Target): Promise<net.Socket> {
  const raw = await connectTo(target.port);
  raw.setNoDelay(true);
  if (target.way === "plain") return raw;
  if (target.way === "tunnel") return connectThrough(raw, target.to);
  if (target.way === "connect") await connectThrough(raw, `${registryHost}:443`);
  return secure(raw, roots(target.caFile));
}

/** As containerd asks for manifests: a registry answers 404 to who does not accept what it has. */
const manifestTypes = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "*/*",
].join(", ");

/** What is sent before a body, or in place of one. `fields`: whole lines. */
export function requestHead(method: string, path: string, fields = ""): string {
  const accept = path.includes("/manifests/") ? manifestTypes : "*/*";
  return `${method} ${path} HTTP/1.1\r\nHost: ${registryHost}\r\nUser-Agent: bench\r\nAccept: ${accept}\r\nAccept-Encoding: identity\r\n${fields}\r\n`;
}

function secure(raw: net.Socket, ca: Buffer): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      socket: raw,
      servername: registryHost,
      ca,
      ALPNProtocols: ["http/1.1"],
      // The order in which Go programs, so all container clients, offer them on a CPU with AES instructions.
      ciphers: "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
      minVersion: "TLSv1.3",
      ecdhCurve: "X25519:P-256",
    });
    raw.once("error", reject);
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

const read = new Map<string, Buffer>();

function roots(file: string): Buffer {
  const known = read.get(file) ?? readFileSync(file);
  read.set(file, known);
  return known;
}

function connectTo(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

/** RFC 9110 §9.3.6. */
function connectThrough(socket: net.Socket, to: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    let head = "";
    const onData = (piece: Buffer): void => {
      head += piece.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", onData);
      socket.off("error", reject);
      socket.pause();
      if (/^HTTP\/1\.[01] 200 /.test(head)) resolve(socket);
      else reject(new Error(`CONNECT was answered: ${head.slice(0, 200)}`));
    };
    socket.on("data", onData);
    socket.once("error", reject);
    socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\nUser-Agent: bench\r\n\r\n`);
  });
}
