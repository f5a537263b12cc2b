import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { giveBack } from "../core/give-back.ts";
import type { Origin } from "../core/origin.ts";
import type { Trace } from "../observe/trace.ts";
import type { HotAnswer, HotLook } from "../serve/hot.ts";
import type { Connection } from "./connection.ts";
import { handOver } from "./hand-over.ts";
import { httpDate } from "./http-date.ts";
import { handleIdle } from "./idle.ts";
import { type LaneRequest, LaneRequests } from "./lane-request.ts";
import { ignore } from "./refuse.ts";
import type { ListenerOptions } from "./types.ts";

export interface LaneNeeds {
  readonly timeouts: ListenerOptions["timeouts"];
  readonly hot: HotLook;
  readonly record: (trace: Trace) => void;
  isStopping(): boolean;
  /** Whether connections get no more than one further answer, which the HTTP server gives. */
  isLeaving(): boolean;
  /** Hands a socket to the one HTTP server, which then listens to its data. */
  serve(socket: TLSSocket): void;
}

/** Bytes of a buffer in which an answer is put together: nearly all of them are smaller. */
const scratchSize = 72 * 1024;
/** Idle ones kept for all lanes: an answer holds one until the kernel has it, and memory that is new for each is the collector's heaviest work. */
const scratchKept = 32;
const idleScratch: Buffer[] = [];

function takeScratch(size: number): Buffer {
  if (size > scratchSize) return Buffer.allocUnsafeSlow(size);
  return idleScratch.pop() ?? Buffer.allocUnsafeSlow(scratchSize);
}

function giveScratch(buffer: Buffer): void {
  if (buffer.length === scratchSize && idleScratch.length < scratchKept) idleScratch.push(buffer);
}

type DataListener = (chunk: Buffer) => void;

/**
 * Stands before the HTTP server on an intercepted connection, and answers from memory what can be: Node's own parser, request and response
 * cost more than everything else about a small hit. What it does not take goes to that server, which is attached when it is first needed. As
 * long as the server is given nothing but whole requests without a body, it stands between two requests once they are answered, and the lane
 * may answer the next one. Anything else, and the lane is gone for good.
 */
export class Lane {
  readonly #connection: Connection;
  readonly #socket: TLSSocket;
  readonly #origin: Origin;
  readonly #needs: LaneNeeds;
  readonly #requests: LaneRequests;
  readonly #tail: string;
  /** The HTTP server's, once it is attached. */
  #parse: DataListener | undefined;
  /** Of the answer that is being written. */
  #trace: Trace | undefined;
  #scratch: Buffer | undefined;
  #started = 0;

  constructor(connection: Connection, socket: TLSSocket, origin: Origin, needs: LaneNeeds) {
    this.#connection = connection;
    this.#socket = socket;
    this.#origin = origin;
    this.#needs = needs;
    this.#requests = new LaneRequests(origin.authority);
    this.#tail = `\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(needs.timeouts.keepAlive / 1000)}\r\n\r\n`;
    socket.on("error", ignore);
    socket.on("end", this.#onEnd);
    socket.on("timeout", this.#onTimeout);
    socket.once("close", this.#onClose);
    socket.setTimeout(needs.timeouts.clientHeader);
    socket.on("data", this.#onData);
    socket.push = this.#onPiece;
  }

  /**
   * What the socket's handle has read, on its way into the stream (`readable.push`): a piece that would go through to 'data' at once is
   * taken here, without the stream's account of it and the further turn in which it looks for more.
   */
  readonly #onPiece = (piece: Buffer | null, encoding?: BufferEncoding): boolean => {
    const socket = this.#socket;
    if (piece === null || socket.readableLength > 0 || socket.readableFlowing !== true)
      return Duplex.prototype.push.call(socket, piece, encoding);
    this.#onData(piece);
    return !socket.destroyed;
  };

  readonly #onData = (chunk: Buffer): void => {
    const started = performance.now();
    const connection = this.#connection;
    const isIdle = connection.running === 0 && !connection.closing && !this.#needs.isLeaving();
    const request = isIdle ? this.#requests.read(chunk) : undefined;
    if (request === undefined) {
      this.#leave(chunk);
      return;
    }
    const { method, target, headers } = request;
    const answer = this.#needs.hot({ origin: this.#origin, method, target, headers });
    if (answer instanceof Promise) this.#await(answer, request, chunk, started);
    else this.#take(answer, request, chunk, started);
  };

  #take(answer: HotAnswer | undefined, request: LaneRequest, chunk: Buffer, started: number): void {
    if (answer === undefined) this.#parser()(chunk);
    else this.#answer(request, answer, started);
  }

  /** Until the answer is there, what else the client sends stays in the stream. */
  #await(answer: Promise<HotAnswer | undefined>, request: LaneRequest, chunk: Buffer, started: number): void {
    const connection = this.#connection;
    const socket = this.#socket;
    connection.running += 1;
    connection.requests += 1;
    connection.newest = undefined;
    socket.pause();
    void answer.then((found) => {
      connection.running -= 1;
      connection.requests -= 1;
      if (socket.destroyed) {
        const { method, target } = request;
        const about = {
          door: "connect",
          client: connection.client,
          method,
          path: target,
          origin: this.#origin.name,
        } as const;
        this.#needs.record({ ...about, ...found?.facts, error: "CANCELLED" });
        return;
      }
      socket.resume();
      this.#take(found, request, chunk, started);
    });
  }

  #answer({ method, target }: LaneRequest, { head, body, facts }: HotAnswer, started: number): void {
    const connection = this.#connection;
    if (this.#parse === undefined && connection.requests === 0) this.#socket.setTimeout(this.#needs.timeouts.keepAlive);
    connection.requests += 1;
    connection.running += 1;
    connection.newest = undefined;
    const start = `${head}Date: ${httpDate()}${this.#tail}`;
    const length = body === undefined ? 0 : body.length;
    // One write: each costs a TLS record, a system call and a packet.
    const scratch = takeScratch(start.length + length);
    scratch.write(start, 0, start.length, "latin1");
    if (body !== undefined) body.copy(scratch, start.length);
    this.#scratch = scratch;
    this.#started = started;
    this.#trace = {
      door: "connect",
      client: connection.client,
      method,
      path: target,
      origin: this.#origin.name,
      kind: facts.kind,
      repository: facts.repository,
      reference: facts.reference,
      cache: facts.cache,
      tier: facts.tier,
      status: 200,
      firstByte: performance.now() - started,
    };
    if (body !== undefined) this.#trace.bytes = length;
    this.#socket.write(scratch.subarray(0, start.length + length), this.#onWritten);
  }

  readonly #onWritten = (error?: Error | null): void => {
    // What failed ends by 'close', and its buffer may still be read.
    if (error !== null && error !== undefined) return;
    if (this.#scratch !== undefined) giveScratch(this.#scratch);
    this.#scratch = undefined;
    this.#finish();
  };

  #finish(error?: string): void {
    const trace = this.#trace;
    if (trace === undefined) return;
    this.#trace = undefined;
    this.#connection.running -= 1;
    trace.lastByte = performance.now() - this.#started;
    if (error !== undefined) trace.error = error;
    this.#needs.record(trace);
    if (this.#needs.isStopping() && this.#connection.running === 0) this.#socket.destroySoon();
  }

  readonly #onClose = (): void => this.#finish("CANCELLED");

  /** Nobody asks on half a connection; who is still being answered may read to the end. */
  readonly #onEnd = (): void => {
    if (this.#trace === undefined) this.#socket.destroy();
    else this.#socket.end();
  };

  readonly #onTimeout = (): void => {
    if (this.#connection.requests === 0) this.#socket.destroy();
    else handleIdle(this.#connection, this.#needs.timeouts);
  };

  /** The HTTP server's way in, with the lane still before it. */
  #parser(): DataListener {
    this.#parse ??= this.#attach();
    return this.#parse;
  }

  #attach(): DataListener {
    const socket = this.#socket;
    this.#stopListening();
    this.#needs.serve(socket);
    const [parse] = socket.listeners("data") as DataListener[];
    if (parse === undefined) throw new Error("The HTTP server does not listen to a socket it was given.");
    socket.removeListener("data", parse);
    // The server tells Node to hand it the data below all streams; it takes that back where anybody else listens.
    socket.on("data", this.#onData);
    return parse.bind(socket);
  }

  /** Everything from `chunk` on is the HTTP server's alone. */
  #leave(chunk: Buffer): void {
    const socket = this.#socket;
    this.#stopListening();
    if (this.#parse === undefined) handOver(socket, chunk, this.#needs.serve);
    else {
      const parse = this.#parse;
      // The parser copies what it hands on: a body's pieces, which are many, are its own.
      const take = (piece: Buffer): void => {
        parse(piece);
        giveBack(piece);
      };
      socket.on("data", take);
      take(chunk);
    }
  }

  #stopListening(): void {
    // The stream's own again: with the HTTP server there, it may be paused.
    Reflect.deleteProperty(this.#socket, "push");
    this.#socket.removeListener("data", this.#onData);
    this.#socket.removeListener("end", this.#onEnd);
    this.#socket.removeListener("timeout", this.#onTimeout);
  }
}
