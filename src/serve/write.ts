import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { asEntrepotError, EntrepotError, ociErrorBody } from "../core/errors.ts";
import type { Body } from "../core/body.ts";
import type { ByteRange } from "../core/range.ts";
import type { Exchange } from "./exchange.ts";
import { closeAfter } from "./linger.ts";
import { pump } from "./pump.ts";

export type ResponseHeaders = Record<string, string | readonly string[] | number>;

/** Writes the head; the first byte of an answer is what the trace times. */
function begin(exchange: Exchange, status: number, headers: ResponseHeaders): void {
  exchange.trace.status = status;
  exchange.trace.firstByte = performance.now() - exchange.started;
  // RFC 9112 §9.3: the rest of the body would have to be read before the next request, and nobody does.
  if (exchange.hasMoreBody) closeAfter(exchange.request, exchange.response);
  const seen = exchange.view?.fields(status, headers) ?? headers;
  exchange.response.writeHead(status, seen as Record<string, string | string[] | number>);
}

/** A short answer from memory, in one write. A HEAD gets the same head without the body. */
export function sendBytes(exchange: Exchange, status: number, headers: ResponseHeaders, bytes: Buffer | string): void {
  const { response, trace } = exchange;
  if (response.headersSent || response.destroyed) return;
  const length = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length;
  headers["content-length"] ??= length;
  begin(exchange, status, headers);
  if (exchange.request.method === "HEAD") {
    response.end();
    return;
  }
  trace.bytes = length;
  response.end(bytes);
}

/** A head alone: the answer to a HEAD, a 304, a 204. Fields are the caller's, Content-Length included. */
export function sendHead(exchange: Exchange, status: number, headers: ResponseHeaders): void {
  const { response } = exchange;
  if (response.headersSent || response.destroyed) return;
  begin(exchange, status, headers);
  response.end();
}

/** A plain sentence or page. */
export function sendText(exchange: Exchange, status: number, body: string, headers: ResponseHeaders = {}): void {
  sendBytes(exchange, status, { "content-type": "text/plain; charset=utf-8", ...headers }, body);
}

/**
 * Ends an exchange with an error: an OCI error body where nothing was sent yet; else the connection is cut, since a client must
 * not take what it has for the whole. Notes the error in the trace.
 */
export function sendError(exchange: Exchange, thrown: unknown, headers: ResponseHeaders = {}): EntrepotError {
  const error = asEntrepotError(thrown);
  const { response, trace } = exchange;
  trace.error = error.code;
  trace.problem = error.message;
  const wait = retryAfterOf(error);
  if (response.headersSent) {
    if (!response.writableFinished) response.destroy();
    return error;
  }
  sendBytes(
    exchange,
    error.status,
    {
      "content-type": "application/json",
      "docker-distribution-api-version": "registry/2.0",
      ...(wait !== undefined && { "retry-after": wait }),
      ...headers,
    },
    ociErrorBody(error),
  );
  return error;
}

/** Seconds, where the error knows when it is worth trying again (RFC 9110 §10.2.3). */
function retryAfterOf({ detail }: EntrepotError): number | undefined {
  const told = typeof detail === "object" && detail !== null && "retryAfter" in detail ? detail.retryAfter : undefined;
  return typeof told === "number" ? told : undefined;
}

/**
 * Cached bytes, or those of a flight as they come. Closes the body in the end. Resolves when the last byte was handed to the
 * socket; rejects where the body failed or the client went, and the connection is then cut.
 */
export async function sendBody(
  exchange: Exchange,
  status: number,
  headers: ResponseHeaders,
  body: Body,
  range: ByteRange | undefined,
): Promise<void> {
  const { response } = exchange;
  if (response.headersSent || response.destroyed) {
    body.close();
    return;
  }
  if (body.bytes !== undefined) {
    sendBytes(
      exchange,
      status,
      headers,
      range === undefined ? body.bytes : body.bytes.subarray(range.first, range.last + 1),
    );
    body.close();
    return;
  }
  const first = range?.first ?? 0;
  // Of an empty body too the end is waited for: before it, a flight's emptiness is not proven.
  const whole = body.size === 0 ? undefined : body.size;
  const end = range === undefined ? whole : range.last + 1;
  const head = (): void => begin(exchange, status, headers);
  // A large body's head says at once that its bytes will come, however long a flight takes to have them. A small one is whole before
  // its first byte is sent, so that its failure can still be told in an answer.
  const eager = body.size === undefined || body.size > eagerHead;
  if (eager) {
    head();
    response.flushHeaders();
  }
  await pump(exchange, body, { first, end, begin: eager ? undefined : head });
}

/** Bytes. Bodies up to this size travel in one write with their head. */
const eagerHead = 64 * 1024;

/** An upstream's answer as it comes, with backpressure. Cuts the connection where the upstream's ends early. */
export async function sendStream(
  exchange: Exchange,
  status: number,
  headers: ResponseHeaders,
  source: Readable,
): Promise<void> {
  const { response, trace } = exchange;
  if (response.headersSent || response.destroyed) {
    source.destroy();
    return;
  }
  begin(exchange, status, headers);
  response.flushHeaders();
  source.on("data", (chunk: Buffer) => {
    trace.bytes = (trace.bytes ?? 0) + chunk.length;
  });
  // Noted before the cut that follows from it, which would pass for the client's own.
  source.once("error", (error: unknown) => {
    if (!(error instanceof EntrepotError)) return;
    trace.error ??= error.code;
    trace.problem ??= error.message;
  });
  try {
    await pipeline(source, response);
  } catch (error) {
    if (exchange.isGone && source.errored === null) {
      throw new EntrepotError("CANCELLED", "The client went away.", { cause: error });
    }
    throw error;
  }
}
