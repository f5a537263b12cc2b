import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import type { Origin } from "../core/origin.ts";
import type { Exchange } from "../serve/exchange.ts";
import type { Silence } from "./silence.ts";

/** What an intercepted CONNECT was to. */
export interface Intercepted {
  readonly host: string;
  readonly port: number;
  /** Undefined for our own name. */
  readonly origin: Origin | undefined;
  /** As it stood in the CONNECT line: what most clients repeat in Host. */
  readonly authority: string;
}

/** One TCP connection of a client. It is kept beside its sockets, so that nothing a client sends can pretend to be it. */
export interface Connection {
  /** The client's address, an IPv4 address never in its IPv6 form. */
  readonly client: string;
  readonly raw: Socket;
  /** The innermost socket: the raw one, or the TLS that ends here. */
  socket: Socket;
  intercepted: Intercepted | undefined;
  /** The newest exchange; its request is the only one of the connection that can be incomplete. */
  newest: Exchange | undefined;
  /** Exchanges that have not ended. */
  running: number;
  /** Requests seen, refused ones too. */
  requests: number;
  /** A tunnel is being dialled or is open. */
  tunnelling: boolean;
  /** It is being ended from here; what still comes of it, its end included, says nothing about the client. */
  closing: boolean;
  /** The last Host that was found valid, so that a kept-alive connection does not parse the same one again. */
  validHost: string | undefined;
  /** Made at the first idle timer, which most connections never see. */
  silence: Silence | undefined;
}

export class Connections {
  readonly #bySocket = new WeakMap<Duplex, Connection>();
  readonly #open = new Set<Connection>();

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<Connection> {
    return this.#open[Symbol.iterator]();
  }

  open(raw: Socket): Connection {
    const connection: Connection = {
      client: (raw.remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/i, ""),
      raw,
      socket: raw,
      intercepted: undefined,
      newest: undefined,
      running: 0,
      requests: 0,
      tunnelling: false,
      closing: false,
      validHost: undefined,
      silence: undefined,
    };
    this.#bySocket.set(raw, connection);
    this.#open.add(connection);
    return connection;
  }

  /** The connection now speaks through `socket`, which wraps its former one. */
  wrap(connection: Connection, socket: Socket): void {
    connection.socket = socket;
    this.#bySocket.set(socket, connection);
  }

  of(socket: Duplex): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  close(raw: Socket): void {
    const connection = this.#bySocket.get(raw);
    if (connection !== undefined) this.#open.delete(connection);
  }
}
