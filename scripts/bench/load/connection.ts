import { type Hash, createHash } from "node:crypto";
import type net from "node:net";
import tls from "node:tls";
import type { Target } from "../contenders/contender.ts";
import { dial, requestHead } from "./dial.ts";
import type { Item } from "./job.ts";
import { readIntoOneBuffer } from "./one-buffer.ts";

export interface Request {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly path: string;
  readonly range?: readonly [first: number, last: number];
  /** Of a body, which is written afterwards. */
  readonly length?: number;
  readonly hash?: boolean;
}

export interface Reply {
  readonly status: number;
  readonly bytes: number;
  readonly location: string | undefined;
  /** When the first byte of the body came, as `performance.now()` has it. */
  readonly firstByte: number;
  /** Hexadecimal, where it was asked for. */
  readonly sha256: string | undefined;
}

interface Pending {
  /** undefined: we have hung up. */
  readonly resolve: (reply: Reply | undefined) => void;
  readonly reject: (error: Error) => void;
  readonly hash: Hash | undefined;
  readonly bodiless: boolean;
}

/**
 * HTTP/1.1 to one registry, just enough to time it: bodies are counted in one buffer that is used again and again, since a client that costs
 * little leaves the CPU to who is measured. An answer without Content-Length is an error: RFC 9112 §6.3 allows it, no contender needs it.
 */
export class Connection {
  readonly #socket: net.Socket;
  #pending: Pending | undefined;
  #head = "";
  #status = 0;
  #location: string | undefined;
  #expected = -1;
  #received = 0;
  #firstByte = 0;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("The connection closed before the answer was whole.")));
  }

  static async open(target: Target): Promise<Connection> {
    const connection = new Connection(await dial(target));
    readIntoOneBuffer(connection.#socket, (piece) => connection.#consume(piece));
    return connection;
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** Bytes of the present answer's body so far. */
  get received(): number {
    return this.#received;
  }

  get(item: Item, hash: boolean): Promise<Reply | undefined> {
    return this.exchange({ method: "GET", path: item.path, hash, ...(item.range && { range: item.range }) });
  }

  /** One request at a time. Undefined where we have hung up meanwhile. */
  exchange({ method, path, range, length, hash }: Request): Promise<Reply | undefined> {
    return new Promise((resolve, reject) => {
      if (this.closed) {
        resolve(undefined);
        return;
      }
      const bodiless = method === "HEAD";
      this.#pending = { resolve, reject, hash: hash ? createHash("sha256") : undefined, bodiless };
      this.#head = "";
      this.#expected = -1;
      this.#received = 0;
      const fields = [
        ...(range ? [`Range: bytes=${range[0]}-${range[1]}\r\n`] : []),
        ...(length === undefined ? [] : [`Content-Length: ${length}\r\n`]),
      ];
      this.#socket.write(requestHead(method, path, fields.join("")));
    });
  }

  /** Resolves when the bytes are the kernel's. */
  write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(piece, (error) => (error ? reject(error) : resolve()));
    });
  }

  describe(): string {
    const socket = this.#socket;
    if (!(socket instanceof tls.TLSSocket)) return "none";
    const exchange = socket.getEphemeralKeyInfo();
    const group = exchange !== null && "name" in exchange ? exchange.name : "";
    const key = socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
    return `${socket.getProtocol()} ${socket.getCipher().standardName} ${group}, ${key} leaf`;
  }

  close(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(undefined);
    this.#socket.destroy();
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
    this.#location = /\r\nlocation: *(\S+)/i.exec(head)?.[1];
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined) {
      this.#expected = this.#pending?.bodiless ? 0 : Number(length);
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
      location: this.#location,
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
