import type { RegistryRequest } from "../core/request.ts";
import type { Exchange } from "./exchange.ts";

/** What the request is for, in the trace. */
export function noteRequest(exchange: Exchange, request: RegistryRequest): void {
  const { trace } = exchange;
  trace.kind = request.kind;
  if ("repository" in request) trace.repository = request.repository;
  if (request.kind === "manifest") trace.reference = request.tag ?? request.digest;
  else if ("digest" in request && request.digest !== undefined) trace.reference = request.digest;
}
