import { type Hash, createHash } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import type { Target } from "../contenders/contender.ts";
import { registryHost } from "../pki.ts";
import { readIntoOneBuffer } from "./one-buffer.ts";

export interface Reply {
  readonly status: number;
  readonly bytes: number;
  /** Hexadecimal, where it was asked for. */
  readonly sha256: string | undefined;
}

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly hash: Hash | undefined;
}

/**
 * HTTP/1.1 to one registry, just enough to time it: bodies are counted in one buffer that is used again and again, since a client that costs
 * little leaves the CPU to who is measured. An answer without Content-Length is an error: RFC 9112 §6.3 allows it, no contender needs it.
 */
export class Connection {
  #socket: tls.TLSSocket | undefined;
  #pending: Pending | undefined;
  #head = "";
  #status = 0;
  #expected = -1;
  #received = 0;

  static async open(target: Target, roots: Buffer): Promise<Connection> {
    const connection = new Connection();
    const raw = await (target.way === "connect" ? connectThrough(target.port) : connectTo(target.port));
    raw.setNoDelay(true);
    await connection.#secure(raw, roots);
    return connection;
  }

  #secure(raw: net.Socket, roots: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket = tls.connect({
        socket: raw,
        servername: registryHost,
        ca: roots,
        ALPNProtocols: ["http/1.1"],
        // The order in which Go programs, so all container clients, offer them on a CPU with AES instructions.
        ciphers: "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
        minVersion: "TLSv1.3",
        ecdhCurve: "X25519:P-256",
      });
      readIntoOneBuffer(this.#socket, (piece) => this.#consume(piece));
      raw.once("error", reject);
      this.#socket.once("secureConnect", resolve);
      this.#socket.on("error", (error: Error) => {
        reject(error);
        this.#fail(error);
      });
      this.#socket.on("close", () => this.#fail(new Error("The connection closed before the answer was whole.")));
    });
  }

  /** One request at a time. */
  get(path: string, hash: boolean): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, hash: hash ? createHash("sha256") : undefined };
      this.#head = "";
      this.#expected = -1;
      this.#received = 0;
      this.#socket?.write(
        `GET ${path} HTTP/1.1\r\nHost: ${registryHost}\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\r\n`,
      );
    });
  }

  describe(): string {
    const socket = this.#socket;
    if (!socket) return "";
    const exchange = socket.getEphemeralKeyInfo();
    const group = exchange !== null && "name" in exchange ? exchange.name : "";
    const key = socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
    return `${socket.getProtocol()} ${socket.getCipher().standardName} ${group}, ${key} leaf`;
  }

  close(): void {
    this.#pending = undefined;
    this.#socket?.destroy();
  }

  #consume(piece: Buffer): void {
    let body = piece;
    if (this.#expected === -1) {
      const before = this.#head.length;
      this.#head += piece.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n");
      if (end === -1) return;
      body = piece.subarray(end + 4 - before);
      if (!this.#readHead(this.#head.slice(0, end))) return;
    }
    this.#received += body.length;
    this.#pending?.hash?.update(body);
    if (this.#received >= this.#expected) this.#finish();
  }

  #readHead(head: string): boolean {
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined) {
      this.#expected = Number(length);
      return true;
    }
    this.#fail(new Error(`An answer without Content-Length: ${head.slice(0, 300)}`));
    return false;
  }

  #finish(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve({ status: this.#status, bytes: this.#received, sha256: pending.hash?.digest("hex") });
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
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
