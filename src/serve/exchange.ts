import type { IncomingMessage, ServerResponse } from "node:http";
import type { Origin } from "../core/origin.ts";
import type { Trace } from "../observe/trace.ts";

/** How a request came in; `listen` knows. */
export interface Arrival {
  readonly door: "connect" | "absolute" | "origin";
  /** The registry it is for; undefined for our own endpoints. */
  readonly origin: Origin | undefined;
  /** Path and query of the request line, without scheme and authority. */
  readonly target: string;
  /** The client's address: of the TCP connection, also inside an intercepted CONNECT. */
  readonly client: string;
}

/** One request and its response. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly arrival: Arrival;
  readonly trace: Trace;
  /** performance.now() at the request's head. */
  readonly started = performance.now();
  #gone: AbortController | undefined;
  #isOver = false;
  readonly #ends: (() => void)[] = [];

  constructor(request: IncomingMessage, response: ServerResponse, arrival: Arrival) {
    this.request = request;
    this.response = response;
    this.arrival = arrival;
    const query = arrival.target.indexOf("?");
    this.trace = {
      door: arrival.door,
      client: arrival.client,
      method: request.method ?? "GET",
      path: query === -1 ? arrival.target : arrival.target.slice(0, query),
    };
    if (arrival.origin !== undefined) this.trace.origin = arrival.origin.name;
    response.once("close", () => {
      this.#isOver = true;
      if (this.isGone) this.#gone?.abort();
      for (const end of this.#ends) end();
    });
  }

  /** Calls back when the response is over, whatever became of it. One listener serves all who wait for that. */
  onEnd(end: () => void): void {
    this.#ends.push(end);
  }

  /**
   * Whether the client went away before its answer was whole, or was answered before its request was: Node forgets a request once it is
   * answered, and nobody else tells whoever still reads its body that the rest never comes.
   */
  get isGone(): boolean {
    return this.#isOver && (!this.response.writableFinished || this.hasMoreBody);
  }

  /** Aborted when the client is gone. Made when somebody asks for it: a hit has nothing to abort. */
  get signal(): AbortSignal {
    this.#gone ??= new AbortController();
    if (this.isGone) this.#gone.abort();
    return this.#gone.signal;
  }

  /** Whether the request has a body (RFC 9112 §6). */
  get hasBody(): boolean {
    const { headers } = this.request;
    return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
  }

  /** Whether a part of it is still to come. `complete` alone does not tell: it is false at the time of a request without one. */
  get hasMoreBody(): boolean {
    return !this.request.complete && this.hasBody;
  }
}

/** What answers an exchange: the proxy for an origin, the admin pages for our own endpoints. Never rejects. */
export type Handler = (exchange: Exchange) => Promise<void>;
