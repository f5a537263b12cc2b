import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Origin } from "../core/origin.ts";
import type { Trace } from "../observe/trace.ts";
import type { View } from "./view.ts";

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

/** What a front makes of a request before it goes on as one to a registry. */
export interface Passage {
  /** Name of the front: a label in log and metrics. */
  readonly front: string;
  readonly origin: Origin;
  /** Path and query at the origin. */
  readonly target: string;
  /** In place of the client's; its Authorization above all. */
  readonly headers?: IncomingHttpHeaders;
  /** Undefined: answers are seen as they are. */
  readonly view?: View;
  /** Whether pushes and deletions pass, in place of ALLOW_PUSH. */
  readonly allowPush?: boolean;
  /** In place of the client's, which was read; the fields say how long it is. */
  readonly body?: Buffer;
  /** Whether blobs are neither cached nor followed to where they are: a redirect is the answer. */
  readonly passRedirects?: boolean;
  /** Whether a registry's challenge is answered with an anonymous token of ours where the client sent no Authorization and we hold none. */
  readonly anonymously?: boolean;
}

/** One request and its response. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  #arrival: Arrival;
  #passage: Passage | undefined;
  readonly trace: Trace;
  /** performance.now() at the request's head. */
  readonly started = performance.now();
  #gone: AbortController | undefined;
  #isOver = false;
  readonly #ends: (() => void)[] = [];

  constructor(request: IncomingMessage, response: ServerResponse, arrival: Arrival) {
    this.request = request;
    this.response = response;
    this.#arrival = arrival;
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

  get arrival(): Arrival {
    return this.#arrival;
  }

  /** The request's fields, as far as the registry and the cache are to know them. */
  get headers(): IncomingHttpHeaders {
    return this.#passage?.headers ?? this.request.headers;
  }

  /** How the client is to see the answer. */
  get view(): View | undefined {
    return this.#passage?.view;
  }

  get allowPush(): boolean | undefined {
    return this.#passage?.allowPush;
  }

  get anonymously(): boolean {
    return this.#passage?.anonymously === true;
  }

  /** The body that a front made of the client's; undefined: the client's own. */
  get body(): Buffer | undefined {
    return this.#passage?.body;
  }

  get passesRedirects(): boolean {
    return this.#passage?.passRedirects === true;
  }

  /** Turns a request to a front into one to a registry. The log keeps the path that the client asked for. */
  enter(passage: Passage): void {
    this.#passage = passage;
    this.#arrival = { ...this.#arrival, origin: passage.origin, target: passage.target };
    this.trace.front = passage.front;
    this.trace.origin = passage.origin.name;
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
