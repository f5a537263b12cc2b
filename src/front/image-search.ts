import { EntrepotError } from "../core/errors.ts";
import { isSameServer, makeOrigin, type Origin } from "../core/origin.ts";
import { askAsIs, noteUpstream } from "../serve/ask.ts";
import type { Exchange } from "../serve/exchange.ts";
import { sendResponse } from "../serve/pass.ts";
import { sendBytes, sendError } from "../serve/write.ts";
import type { Fetch } from "../upstream/types.ts";
import type { Bearer } from "./image-gate.ts";

export interface SearchParts {
  /** Of the front. */
  readonly name: string;
  readonly upstream: Origin;
  /** What its token service is called: a label for who is asked to log in. */
  readonly service: string;
  readonly fetch: Fetch;
}

export const searchPaths = ["/v1/_ping", "/v1/search"] as const;

/** Docker Hub's index is another host than its registry; other registries that have one have it themselves. */
function indexOf(upstream: Origin): Origin {
  return upstream.host === "registry-1.docker.io" ? makeOrigin("https", "index.docker.io") : upstream;
}

/**
 * What `docker search` asks: `/v1/_ping`, with nothing to say who asks, then `/v1/search?q=&n=`, with the login as Basic if there is one. It asks nothing else of
 * the API's first version.
 */
export function createSearch({ name, upstream, service, fetch }: SearchParts) {
  const index = indexOf(upstream);
  return async (exchange: Exchange, bearer: Bearer): Promise<void> => {
    const { method } = exchange.trace;
    exchange.trace.kind = "v1";
    if (method !== "GET" && method !== "HEAD") {
      const problem = "Of the registry API's first version there is only the search, by GET.";
      sendError(exchange, new EntrepotError("METHOD_NOT_ALLOWED", problem), { allow: "GET, HEAD" });
      return;
    }
    if (exchange.trace.path === searchPaths[0]) {
      sendBytes(exchange, 200, { "content-type": "application/json", "x-docker-registry-standalone": "true" }, "true");
      return;
    }
    if (bearer.kind === "refused") {
      const problem = "Log in to this proxy to search.";
      const challenge = `Basic realm="${service}"`;
      sendError(exchange, new EntrepotError("UNAUTHORIZED", problem), { "www-authenticate": challenge });
      return;
    }
    const { authorization: _, cookie: __, ...headers } = exchange.request.headers;
    // What a client shows is for the registry, and for no other host.
    const own = bearer.kind === "own" && isSameServer(index, upstream);
    exchange.enter({
      front: name,
      origin: index,
      target: exchange.arrival.target,
      headers: own ? { ...headers, authorization: bearer.authorization } : headers,
    });
    const response = await fetch(
      askAsIs(exchange, { origin: index, request: { kind: "v1" }, redirects: "follow", signal: exchange.signal }),
    );
    noteUpstream(exchange, response);
    await sendResponse(exchange, response, {});
  };
}
