import { Gather } from "./gather.ts";
import { MalformedResponse, type ResponseHead, parseField, parseHead } from "./response-head.ts";

/** What a reader tells. It may be stopped from within. */
export interface ResponseReceiver {
  head(head: ResponseHead): void;
  /** A view of what was fed, valid during the call alone. */
  body(bytes: Buffer): void;
}

/** Bytes of heads, interim ones and trailers together: as much as Artifact Registry sends. */
export const maxHeaderSize = 128 * 1024;
/** Bytes of chunk extensions of one message, which nobody has a use for; as node has it. */
const maxExtensions = 16 * 1024;

const beginning = "HTTP/1.";
const chunkSize = /^([\dA-Fa-f]{1,13})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

type State = "head" | "counted" | "until-close" | "chunk-size" | "chunk" | "chunk-end" | "trailers" | "done";

/**
 * Reads one HTTP/1.1 response to a GET from the pieces that a connection brings (RFC 9112), and hands the body on without copying it. Strict:
 * whatever could be understood in two ways is refused.
 */
export class ResponseReader {
  readonly #receiver: ResponseReceiver;
  readonly #gather = new Gather();
  #state: State = "head";
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0;
  #headerBytes = 0;
  #extensionBytes = 0;
  #surplus = false;

  constructor(receiver: ResponseReceiver) {
    this.#receiver = receiver;
  }

  /** The message is whole, or nobody wants the rest. */
  get done(): boolean {
    return this.#state === "done";
  }

  /** More bytes came than the message has: what they are is anybody's guess. */
  get surplus(): boolean {
    return this.#surplus;
  }

  /** Throws MalformedResponse; the rest of the connection then means nothing. */
  feed(bytes: Buffer): void {
    if (this.#state === "counted" && bytes.length < this.#left) {
      this.#left -= bytes.length;
      this.#receiver.body(bytes);
      return;
    }
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case "head":
          at += this.#head(bytes, at);
          break;
        case "counted":
          at += this.#body(bytes, at, "done");
          break;
        case "chunk":
          at += this.#body(bytes, at, "chunk-end");
          break;
        case "chunk-size":
        case "chunk-end":
        case "trailers":
          at += this.#line(bytes, at);
          break;
        case "until-close":
          this.#receiver.body(at === 0 ? bytes : bytes.subarray(at));
          return;
        case "done":
          this.#surplus = true;
          return;
      }
    }
  }

  /** The connection ended. Returns whether that ends the message well. */
  end(): boolean {
    if (this.#state === "until-close") this.#state = "done";
    return this.#state === "done";
  }

  /** Says nothing more. */
  stop(): void {
    this.#state = "done";
  }

  #head(bytes: Buffer, at: number): number {
    const { taken, whole } = this.#gather.take(bytes, at, "\r\n\r\n");
    // Before the end is waited for: what does not speak HTTP may never send one.
    if (!beginning.startsWith(this.#gather.peek(beginning.length))) throw new MalformedResponse("HPE_INVALID_CONSTANT");
    this.#countHeader(taken);
    if (!whole) return taken;
    const head = parseHead(this.#gather.end(4));
    // An Upgrade was not asked for.
    if (head.status === 101) throw new MalformedResponse("HPE_INVALID_STATUS");
    if (head.status < 200) return taken;
    const { framing } = head;
    this.#left = framing.kind === "length" ? framing.length : 0;
    if (framing.kind === "chunked") this.#state = "chunk-size";
    else if (framing.kind === "close") this.#state = "until-close";
    else this.#state = this.#left === 0 ? "done" : "counted";
    this.#receiver.head(head);
    return taken;
  }

  #body(bytes: Buffer, at: number, next: State): number {
    const count = Math.min(this.#left, bytes.length - at);
    this.#left -= count;
    if (this.#left === 0) this.#state = next;
    this.#receiver.body(bytes.subarray(at, at + count));
    return count;
  }

  #line(bytes: Buffer, at: number): number {
    const { taken, whole } = this.#gather.take(bytes, at, "\n");
    if (this.#state === "trailers") this.#countHeader(taken);
    else if (this.#gather.length > maxExtensions) throw new MalformedResponse("HPE_CHUNK_EXTENSIONS_OVERFLOW");
    if (!whole) return taken;
    const line = this.#gather.end(1);
    if (!line.endsWith("\r")) throw new MalformedResponse("HPE_CR_EXPECTED");
    this.#meant(line.slice(0, -1));
    return taken;
  }

  #meant(line: string): void {
    if (this.#state === "chunk-end") {
      if (line !== "") throw new MalformedResponse("HPE_STRICT");
      this.#state = "chunk-size";
    } else if (this.#state === "trailers") {
      if (line === "") this.#state = "done";
      else parseField(line);
    } else {
      const digits = chunkSize.exec(line)?.[1];
      if (digits === undefined) throw new MalformedResponse("HPE_INVALID_CHUNK_SIZE");
      this.#extensionBytes += line.length - digits.length;
      if (this.#extensionBytes > maxExtensions) throw new MalformedResponse("HPE_CHUNK_EXTENSIONS_OVERFLOW");
      this.#left = Number.parseInt(digits, 16);
      this.#state = this.#left === 0 ? "trailers" : "chunk";
    }
  }

  #countHeader(bytes: number): void {
    this.#headerBytes += bytes;
    if (this.#headerBytes > maxHeaderSize) throw new MalformedResponse("HPE_HEADER_OVERFLOW");
  }
}
