import type net from "node:net";
import type { Target } from "../contenders/contender.ts";
import { dial, requestHead } from "./dial.ts";

const readsPerSecond = 4;

/** A client that takes so little off its socket that TCP holds the sender back. */
export class SlowClient {
  readonly #socket: net.Socket;
  #timer: NodeJS.Timeout | undefined;
  #asked = 0;
  #head = "";
  #bytes = 0;
  #problem: string | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("error", (error: Error) => (this.#problem ??= error.message));
    socket.on("close", () => (this.#problem ??= "the connection was closed"));
  }

  static async open(target: Target): Promise<SlowClient> {
    return new SlowClient(await dial(target));
  }

  ask(path: string, bytesPerSecond: number): void {
    this.#socket.write(requestHead("GET", path));
    this.#asked = performance.now();
    // Without a listener for data the socket stays paused: it reads its high-water mark ahead and no more.
    this.#timer = setInterval(() => this.#read(bytesPerSecond / readsPerSecond), 1000 / readsPerSecond);
  }

  /** Hangs up in the midst of the body and says how many bytes of it came per second. Throws where nothing came or something else did. */
  drop(): number {
    clearInterval(this.#timer);
    const seconds = (performance.now() - this.#asked) / 1000;
    const problem = this.#problem ?? (this.#bytes === 0 ? "not a byte came" : undefined);
    this.#socket.destroy();
    if (problem !== undefined) throw new Error(`A slow client: ${problem}.`);
    return this.#bytes / seconds;
  }

  #read(most: number): void {
    const piece: unknown = this.#socket.read(Math.min(most, this.#socket.readableLength));
    if (!Buffer.isBuffer(piece)) return;
    if (this.#bytes > 0) {
      this.#bytes += piece.length;
      return;
    }
    this.#head += piece.toString("latin1");
    const end = this.#head.indexOf("\r\n\r\n");
    if (end === -1) return;
    if (!this.#head.startsWith("HTTP/1.1 200 ")) this.#problem ??= `answered ${this.#head.slice(9, 12)}`;
    this.#bytes = this.#head.length - end - 4;
  }
}
