import type { IncomingMessage, ServerResponse } from "node:http";
import { asEntrepotError, EntrepotError } from "../core/errors.ts";
import { Exchange } from "../serve/exchange.ts";
import { route } from "./arrivals.ts";
import type { Connection } from "./connection.ts";
import { ignore, refusalTrace, refuseResponse } from "./refuse.ts";
import type { ListenerParts } from "./types.ts";

export interface RequestNeeds {
  readonly parts: ListenerParts;
  /** Exchanges that have not ended, for a stop that lets them. */
  readonly running: Set<Exchange>;
  isStopping(): boolean;
  /** Whether the connection is kept after an answer. */
  keepsAlive(): boolean;
}

/** Makes an exchange of a request and hands it to its handler, or refuses it. Never throws. */
export function handleRequest(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
  needs: RequestNeeds,
): void {
  const { parts, running } = needs;
  // A write to a client that has gone is an 'error' of these two: their end is noticed by 'close'.
  request.on("error", ignore);
  response.on("error", ignore);
  connection.requests += 1;
  if (!needs.keepsAlive()) response.shouldKeepAlive = false;
  try {
    if (needs.isStopping()) {
      response.shouldKeepAlive = false;
      throw new EntrepotError("STOPPING", "This proxy is stopping; try again in a moment.");
    }
    const { arrival, handler } = route(request, connection, parts);
    const exchange = new Exchange(request, response, arrival);
    connection.newest = exchange;
    connection.running += 1;
    running.add(exchange);
    exchange.onEnd(() => {
      running.delete(exchange);
      connection.running -= 1;
      if (needs.isStopping() && connection.running === 0) connection.socket.destroySoon();
    });
    void run(handler(exchange), exchange, parts);
  } catch (thrown) {
    const error = asEntrepotError(thrown);
    if (error.code === "INTERNAL") parts.log.error({ err: thrown }, "a request failed inside the proxy");
    parts.record(refusalTrace(connection, error, refusedFacts(request, connection)));
    refuseResponse(request, response, error);
    // What the parser makes of the rest is no second refusal.
    if (!response.shouldKeepAlive) connection.closing = true;
  }
}

/** A handler never rejects; if one does, it costs its own client an answer and nobody else anything. */
async function run(handled: Promise<void>, exchange: Exchange, parts: ListenerParts): Promise<void> {
  try {
    await handled;
  } catch (thrown) {
    parts.log.error({ err: thrown, path: exchange.trace.path }, "a handler failed");
    exchange.trace.error ??= "INTERNAL";
    if (exchange.response.headersSent) exchange.response.destroy();
    else refuseResponse(exchange.request, exchange.response, asEntrepotError(thrown));
  }
}

function refusedFacts(request: IncomingMessage, connection: Connection) {
  const url = request.url ?? "";
  const isPath = url.startsWith("/");
  const door = connection.intercepted !== undefined ? "connect" : isPath ? "origin" : "absolute";
  // What is no path may hold a user name and password.
  return { door, method: request.method ?? "-", ...(isPath && { path: url.split("?", 1)[0] ?? url }) } as const;
}
