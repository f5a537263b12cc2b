import { parseRegistryRequest } from "../core/request.ts";
import type { Exchange } from "../serve/exchange.ts";
import { sendBytes } from "../serve/write.ts";

/** Answers `/v2/` in the place of a registry that wants nothing of its clients (OCI distribution 1.1, "Determining Support"); whether it was that. */
export function answerPing(exchange: Exchange): boolean {
  if (parseRegistryRequest(exchange.arrival.target).kind !== "ping") return false;
  exchange.trace.kind = "ping";
  const fields = { "content-type": "application/json", "docker-distribution-api-version": "registry/2.0" };
  sendBytes(exchange, 200, fields, "{}");
  return true;
}

export function isReading({ trace: { method } }: Exchange): boolean {
  return method === "GET" || method === "HEAD";
}
