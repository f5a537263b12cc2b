import type { Socket } from "node:net";
import { LRUCache } from "lru-cache";
import { parseHostPort } from "../core/origin.ts";
import { connectName } from "./connect.ts";
import type { Connection, Intercepted } from "./connection.ts";
import { handOver } from "./hand-over.ts";
import { beginTls, type InterceptNeeds } from "./intercept.ts";
import { readConnect } from "./lane-request.ts";
import { ignore } from "./refuse.ts";
import type { ListenerParts } from "./types.ts";

export interface ConnectNeeds {
  readonly interceptNeeds: InterceptNeeds;
  readonly targets: ConnectTargets;
  isStopping(): boolean;
  /** Hands a socket to the one HTTP server. */
  serve(socket: Socket): void;
}

/** What is intercepted, by the target of a CONNECT as clients write it. */
export class ConnectTargets {
  readonly #parts: ListenerParts;
  readonly #known = new LRUCache<string, Intercepted>({ max: 1000 });

  constructor(parts: ListenerParts) {
    this.#parts = parts;
  }

  /** Undefined where it is none of our origins, or may not be asked for. */
  get(text: string): Intercepted | undefined {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const target = parseHostPort(text);
    if (target?.port === undefined) return undefined;
    const { host, port } = target;
    const origin = this.#parts.intercepts("https", host, port);
    if (origin === undefined || this.#parts.isOwnName(host) || this.#parts.forbidsTarget(host, port)) return undefined;
    const intercepted = { host, port, origin, authority: connectName({ host, port }) };
    this.#known.set(text, intercepted);
    return intercepted;
  }
}

/**
 * Looks at the first piece of a connection. A plain CONNECT to an origin of ours whose certificate is in memory is answered in that very
 * step, without a parser, a request and a response made for it. Anything else is the HTTP server's, from its first byte on.
 */
export function awaitConnect(connection: Connection, needs: ConnectNeeds): void {
  const { raw } = connection;
  const leave = (): void => void raw.destroy();
  const take = (chunk: Buffer): void => {
    raw.removeListener("data", take);
    raw.removeListener("end", leave);
    raw.removeListener("timeout", leave);
    const target = needs.isStopping() ? undefined : readConnect(chunk);
    const intercepted = target === undefined ? undefined : needs.targets.get(target);
    const { parts } = needs.interceptNeeds;
    const isAdmitted = intercepted !== undefined && parts.admitsClient(connection.client);
    const context = isAdmitted ? parts.hotContextFor?.(intercepted.host) : undefined;
    if (intercepted === undefined || context === undefined) {
      handOver(raw, chunk, needs.serve);
      return;
    }
    raw.setTimeout(0);
    beginTls(connection, intercepted, context, needs.interceptNeeds);
  };
  // A connection on which nothing ever comes is closed without a word: health checks and preconnecting clients make them.
  raw.on("error", ignore);
  raw.on("end", leave);
  raw.on("timeout", leave);
  raw.setTimeout(needs.interceptNeeds.options.timeouts.clientHeader);
  raw.on("data", take);
}
