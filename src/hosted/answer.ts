import type { Digest } from "../core/digest.ts";
import { EntrepotError } from "../core/errors.ts";
import { contentRange } from "../core/range.ts";
import { planAnswer } from "../serve/conditional.ts";
import { etagOf } from "../serve/content-headers.ts";
import type { Exchange } from "../serve/exchange.ts";
import { type ResponseHeaders, sendBody, sendBytes, sendHead } from "../serve/write.ts";
import type { Body } from "../core/body.ts";

export const apiVersion = { "docker-distribution-api-version": "registry/2.0" } as const;

/** Content of a digest: whole, in part, or its head alone, as the request's conditions have it. Closes the body. */
export async function sendContent(
  exchange: Exchange,
  content: { readonly digest: Digest; readonly mediaType: string },
  body: Body & { readonly size: number },
): Promise<void> {
  const headers: ResponseHeaders = {
    ...apiVersion,
    "content-type": content.mediaType,
    "docker-content-digest": content.digest,
    etag: etagOf(content.digest),
    "accept-ranges": "bytes",
  };
  const plan = planAnswer(exchange.request.headers, etagOf(content.digest), body.size);
  const isHead = exchange.request.method === "HEAD";
  if (plan.status === 304) {
    body.close();
    sendHead(exchange, 304, headers);
  } else if (isHead) {
    // RFC 9110 §14.2: Range has no meaning for a HEAD.
    body.close();
    sendHead(exchange, 200, { ...headers, "content-length": body.size });
  } else if (plan.status === 416) {
    body.close();
    sendHead(exchange, 416, { ...headers, "content-range": `bytes */${body.size}`, "content-length": 0 });
  } else if (plan.status === 206) {
    const { range } = plan;
    headers["content-range"] = contentRange(range, body.size);
    headers["content-length"] = range.last - range.first + 1;
    await sendBody(exchange, 206, headers, body, range);
  } else {
    await sendBody(exchange, 200, { ...headers, "content-length": body.size }, body, undefined);
  }
}

export function sendJson(exchange: Exchange, value: unknown, headers: ResponseHeaders = {}): void {
  sendBytes(exchange, 200, { ...apiVersion, "content-type": "application/json", ...headers }, JSON.stringify(value));
}

/** The answer to what was done and has nothing to show. */
export function sendDone(exchange: Exchange, status: number, headers: ResponseHeaders = {}): void {
  sendHead(exchange, status, { ...apiVersion, ...(status !== 204 && { "content-length": 0 }), ...headers });
}

/** The parameters of a request's query. */
export function queryOf(exchange: Exchange): URLSearchParams {
  const { target } = exchange.arrival;
  const query = target.indexOf("?");
  return new URLSearchParams(query === -1 ? "" : target.slice(query + 1));
}

/** How many entries a list shall have; `most` where the request does not say, or asks for more. Throws BAD_REQUEST. */
export function pageSize(query: URLSearchParams, most: number): number {
  const text = query.get("n");
  if (text === null) return most;
  if (!/^\d{1,15}$/.test(text))
    throw new EntrepotError("BAD_REQUEST", "n is the number of entries that are asked for.");
  return Math.min(Number(text), most);
}
