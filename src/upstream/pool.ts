import { Agent, type ClientRequestArgs } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Origin } from "../core/origin.ts";
import { connectFailure } from "./failures.ts";

/** Options of a request that the pool opens a connection for. */
export interface PooledRequest extends ClientRequestArgs {
  readonly dialOrigin: Origin;
  /** Ends the dialling where the request is given up before it has a connection. */
  readonly dialSignal: AbortSignal;
}

export interface PoolOptions {
  /** Idle connections kept for each origin. */
  readonly maxIdle: number;
  /** How long one is kept, milliseconds; less where the peer's Keep-Alive says so. */
  readonly idleMs: number;
  readonly keepAlive: boolean;
}

/**
 * node's pool of keep-alive connections over a way of dialling of our own, HTTP and HTTPS alike. Its name for an origin is short: node's
 * own joins every TLS option, roots included, at each request.
 */
export class Pool extends Agent {
  readonly #open: (origin: Origin, signal: AbortSignal) => Promise<Socket>;

  constructor(open: (origin: Origin, signal: AbortSignal) => Promise<Socket>, options: PoolOptions) {
    super({
      keepAlive: options.keepAlive,
      keepAliveMsecs: 30_000,
      maxFreeSockets: options.maxIdle,
      scheduling: "lifo",
      timeout: options.idleMs,
    });
    this.#open = open;
  }

  override getName(options?: PooledRequest): string {
    return options?.dialOrigin.name ?? "";
  }

  override createConnection(options: PooledRequest, settle?: (error: Error | null, socket: Duplex) => void): undefined {
    const { dialOrigin, dialSignal } = options;
    this.#open(dialOrigin, dialSignal).then(
      (socket) => settle?.(null, socket),
      (error: unknown) => {
        // node leaves an empty list behind for every name that could not be connected to.
        if (this.sockets[dialOrigin.name]?.length === 0) Reflect.deleteProperty(this.sockets, dialOrigin.name);
        // The type asks for a socket beside an error; node does not look at it.
        (settle as ((error: Error) => void) | undefined)?.(connectFailure(error, dialOrigin.host));
      },
    );
    return undefined;
  }

  /** Ends the idle connections of an origin. */
  forget(origin: Origin): void {
    for (const socket of this.freeSockets[origin.name] ?? []) socket.destroy();
  }
}
