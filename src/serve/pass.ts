import { Readable } from "node:stream";
import { EntrepotError } from "../core/errors.ts";
import { endToEnd, first } from "../core/headers.ts";
import type { Origin } from "../core/origin.ts";
import type { RegistryRequest } from "../core/request.ts";
import type { Fetch, UpstreamResponse } from "../upstream/types.ts";
import { askAsIs, noteUpstream } from "./ask.ts";
import { cacheHeaders } from "./content-headers.ts";
import type { Exchange } from "./exchange.ts";
import { readUpTo } from "./refusal.ts";
import { isViewed, largestViewed, viewedBody } from "./view.ts";
import { type ResponseHeaders, sendBytes, sendHead, sendStream } from "./write.ts";

export interface PassParts {
  readonly fetch: Fetch;
}

/** Passes a request to an intercepted registry through, uncached. */
export async function pass(
  parts: PassParts,
  exchange: Exchange,
  origin: Origin,
  request: RegistryRequest,
  redirects: "follow" | "pass",
): Promise<void> {
  const body = requestBody(exchange);
  const response = await parts.fetch(
    askAsIs(exchange, { origin, request, signal: exchange.signal, redirects, ...(body && { body, spend: true }) }),
  );
  noteUpstream(exchange, response);
  await sendResponse(exchange, response, cacheHeaders(exchange, "BYPASS", "unknown"));
}

/** Forwards an absolute-form request to a host that is not intercepted: nothing is added to it and nothing kept. */
export async function forward(parts: PassParts, exchange: Exchange, origin: Origin): Promise<void> {
  const body = requestBody(exchange);
  const response = await parts.fetch(
    askAsIs(exchange, {
      origin,
      request: { kind: "other" },
      signal: exchange.signal,
      inject: false,
      headers: { via: appendVia(first(exchange.headers.via)) },
      ...(body && { body, spend: true }),
    }),
  );
  noteUpstream(exchange, response);
  await sendResponse(exchange, response, {});
}

/** RFC 9110 §7.6.3. */
function appendVia(received: string | undefined): string {
  return received === undefined ? "1.1 entrepot" : `${received}, 1.1 entrepot`;
}

/** The request's body where it has one. */
export function requestBody(exchange: Exchange): Readable | undefined {
  if (exchange.body !== undefined) return Readable.from([exchange.body]);
  if (!exchange.hasBody) return undefined;
  // A client that asked first is told to go on now that there is somebody to take it (RFC 9110 §10.1.1).
  if (exchange.headers.expect?.toLowerCase() === "100-continue") exchange.response.writeContinue();
  // Listening for data makes a stream flow, and what comes before whoever reads it is there would be lost.
  exchange.request.pause();
  exchange.request.on("data", (chunk: Buffer) => {
    exchange.trace.received = (exchange.trace.received ?? 0) + chunk.length;
  });
  return exchange.request;
}

/** An upstream's answer, with what we add to it. */
export async function sendResponse(
  exchange: Exchange,
  response: UpstreamResponse,
  added: ResponseHeaders,
): Promise<void> {
  const headers: ResponseHeaders = { ...endToEnd(response.headers), ...added };
  if (exchange.request.method === "HEAD" || response.status === 204 || response.status === 304) {
    response.body.resume();
    sendHead(exchange, response.status, headers);
    return;
  }
  const { kind } = exchange.trace;
  if (isViewed(exchange.view, kind, response.status) && response.headers["content-encoding"] === undefined) {
    const bytes = await readUpTo(response, largestViewed);
    if (bytes.length === largestViewed)
      throw new EntrepotError(
        "UPSTREAM_PROTOCOL",
        "The registry's list is too long to be shown here; ask for a page with n=.",
      );
    delete headers["content-length"];
    sendBytes(exchange, response.status, headers, viewedBody(exchange.view, kind, response.status, bytes));
    return;
  }
  await sendStream(exchange, response.status, headers, response.body);
}
