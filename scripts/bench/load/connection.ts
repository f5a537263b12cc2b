import { type Hash, createHash } from "node:crypto";
import type net from "node:net";
import type tls from "node:tls";
import type { Target } from "../contenders/contender.ts";
import { dial, request, secure } from "./dial.ts";
import { readIntoOneBuffer } from "./one-buffer.ts";

export interface Reply {
  readonly status: number;
  readonly bytes: number;
  /** When the first byte of the body came, as `performance.now()` has it. */
  readonly firstByte: number;
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
  #firstByte = 0;

  static async open(target: Target, roots: Buffer): Promise<Connection> {
    const connection = new Connection();
    const raw = await dial(target);
    await connection.#secure(raw, roots);
    return connection;
  }

  #secure(raw: net.Socket, roots: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket = secure(raw, roots);
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
      this.#socket?.write(request(path));
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
    if (this.#received === 0 && body.length > 0) this.#firstByte = performance.now();
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
    pending?.resolve({
      status: this.#status,
      bytes: this.#received,
      firstByte: this.#firstByte,
      sha256: pending.hash?.digest("hex"),
    });
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
}
