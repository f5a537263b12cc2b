import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import type { EntrepotError } from "../core/errors.ts";
import type { Dialer } from "./dialer.ts";
import { bodyFailure, cancelled, codeOf, exchangeFailure, timeout } from "./failures.ts";
import { type Hop, type HopAnswer, type SendTimeouts, addressOf, fieldsOf, stale } from "./hop.ts";
import { type IdleWatch, watchIdle } from "./idle.ts";
import { readBeforeReset } from "./early-answer.ts";
import type { PooledRequest } from "./pool.ts";
import { pourOnce } from "./pour.ts";
import { maxHeaderSize } from "./response-reader.ts";
import { sendBody } from "./send-body.ts";

/** Resolves with the head of the answer; `message` errors out as UpstreamResponse.body does. Rejects as Fetch does. */
export type Send = (hop: Hop) => Promise<HopAnswer>;

export function createSend(dialer: Dialer, timeouts: SendTimeouts): Send {
  return async (hop) => {
    // What is streamed cannot be sent again, so that it never takes a connection that might be stale.
    const first = await once(dialer, timeouts, hop, hop.body === undefined);
    if (first !== stale) return first;
    // RFC 9112 §9.3.1. The others that idled with it are as old.
    dialer.forget(hop.origin);
    const second = await once(dialer, timeouts, hop, true);
    if (second !== stale) return second;
    throw exchangeFailure(undefined, hop.origin.host);
  };
}

function once(dialer: Dialer, timeouts: SendTimeouts, hop: Hop, pooled: boolean) {
  const poured = hop.pour === true && hop.method === "GET" && hop.body === undefined;
  const wires = poured ? dialer.wires(hop.origin) : undefined;
  return wires === undefined ? transmit(dialer, timeouts, hop, pooled) : pourOnce(wires, timeouts, hop);
}

function transmit(
  dialer: Dialer,
  timeouts: SendTimeouts,
  hop: Hop,
  pooled: boolean,
): Promise<HopAnswer | typeof stale> {
  return new Promise((resolve, reject) => {
    const { signal, body } = hop;
    const host = hop.origin.host;
    if (signal.aborted) return reject(cancelled(signal));
    let failure: EntrepotError | undefined;
    let answer: IncomingMessage | undefined;
    let watch: IdleWatch | undefined;
    let taken = 0;
    let letGo: (() => void) | undefined;

    const fail = (error: EntrepotError) => {
      failure ??= error;
      if (answer === undefined) request.destroy(failure);
      else answer.destroy(failure);
    };
    const aborted = () => fail(cancelled(signal));
    // A paused reader, or a body that its source does not go on with, is not the peer's silence.
    const held = () =>
      answer === undefined ? !request.writableFinished && request.writableLength === 0 : answer.readableLength > 0;
    const expired = () => {
      const waiting = answer !== undefined || request.writableFinished ? "sent nothing" : "took nothing of the request";
      fail(timeout(`${host} ${waiting} for ${request.writableFinished ? timeouts.readMs : timeouts.sendMs} ms.`));
    };

    const request = begin(dialer, hop, pooled);
    signal.addEventListener("abort", aborted, { once: true });
    request.once("socket", (socket: Socket) => {
      taken = socket.bytesRead;
      // Such a connection is for this request alone.
      if (body !== undefined) readBeforeReset(socket);
      watch = watchIdle(socket, timeouts.sendMs, held, expired);
      if (request.writableFinished) watch.limit(timeouts.readMs);
    });
    request.once("finish", () => watch?.limit(timeouts.readMs));
    request.on("error", (error) => {
      // After the head it is the body that tells.
      if (answer !== undefined) return;
      letGo?.();
      if (failure === undefined && body === undefined && isStale(request, error, taken)) resolve(stale);
      else reject(failure ?? exchangeFailure(error, host));
    });
    request.once("response", (message) => {
      answer = message;
      watch?.limit(timeouts.readMs);
      // Every way in which node ends a message early goes through here; the reader's own reasons stay as they are.
      const destroy = message.destroy.bind(message);
      message.destroy = (error?: Error) =>
        destroy(codeOf(error) === "ECONNRESET" ? (failure ?? bodyFailure(error, host)) : error);
      resolve({ message, address: addressOf(message.socket) });
    });
    request.once("close", () => {
      signal.removeEventListener("abort", aborted);
      watch?.stop();
    });
    if (body === undefined) request.end();
    else letGo = sendBody(request, { body, spend: hop.spend === true, fail });
  });
}

function begin(dialer: Dialer, hop: Hop, pooled: boolean): ClientRequest {
  const { origin } = hop;
  const route = dialer.route(origin, pooled);
  const headers = fieldsOf(hop);
  if (route.proxyAuthorization !== undefined) headers["proxy-authorization"] = route.proxyAuthorization;
  const options: PooledRequest = {
    agent: route.agent,
    method: hop.method,
    path: route.prefix + hop.path,
    headers,
    maxHeaderSize,
    dialOrigin: origin,
    dialSignal: hop.signal,
  };
  try {
    return httpRequest(options);
  } catch (error) {
    throw exchangeFailure(error, origin.host);
  }
}

function isStale(request: ClientRequest, error: Error, taken: number): boolean {
  if (!request.reusedSocket || (request.socket?.bytesRead ?? taken) !== taken) return false;
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE" || code === "ECONNABORTED";
}
