import type { OutgoingHttpHeader, ServerResponse } from "node:http";
import type { HttpEvent } from "../observe/redact.ts";
import type { Handler } from "../serve/exchange.ts";

type Fields = Record<string, OutgoingHttpHeader>;

/** A handler whose every exchange is shown to an inspector when it is over. Only made where DEBUG is on. */
export function inspected(handler: Handler, add: (event: HttpEvent) => void): Handler {
  return async (exchange) => {
    const { request, response, arrival, trace } = exchange;
    const responseHeaders = headWatch(response);
    exchange.onEnd(() => {
      add({
        method: trace.method,
        host: arrival.origin?.authority ?? request.headers.host ?? "",
        path: arrival.target,
        status: trace.status,
        requestHeaders: request.headers,
        responseHeaders: responseHeaders(),
        ms: performance.now() - exchange.started,
      });
    });
    await handler(exchange);
  };
}

/** Node forgets fields that were given to writeHead, so they are noted as they pass. */
function headWatch(response: ServerResponse): () => HttpEvent["responseHeaders"] {
  const seen: Fields = Object.create(null) as Fields;
  const write = response.writeHead.bind(response) as (...given: unknown[]) => ServerResponse;
  response.writeHead = (...given: unknown[]): ServerResponse => {
    note(
      seen,
      given.find((value) => typeof value === "object" && value !== null),
    );
    return write(...given);
  };
  return () => ({ ...response.getHeaders(), ...seen });
}

/** The fields come as an object, or as names and values in turn. */
function note(seen: Fields, given: unknown): void {
  if (Array.isArray(given)) {
    for (let index = 0; index + 1 < given.length; index += 2) {
      const name = String(given[index]).toLowerCase();
      const before = seen[name];
      const value = given[index + 1] as OutgoingHttpHeader;
      seen[name] = before === undefined ? value : [before, value].flat().map(String);
    }
  } else if (typeof given === "object" && given !== null) {
    for (const [name, value] of Object.entries(given as Fields)) seen[name.toLowerCase()] = value;
  }
}
