import { first } from "../core/headers.ts";
import type { Exchange } from "../serve/exchange.ts";
import type { ResponseHeaders } from "../serve/write.ts";

/** What web pages of other origins may read of a front from a browser (Fetch Standard §3.3). */
export interface Cors {
  /** Whether a request asks whether another may be sent. */
  isPreflight(exchange: Exchange): boolean;
  /** The answer to that: with nothing that allows it where it may not. */
  preflight(exchange: Exchange): ResponseHeaders;
  /** An answer's fields with ours in place of whatever an upstream said of other origins. */
  fields(exchange: Exchange, headers: ResponseHeaders): ResponseHeaders;
}

const methods = ["GET", "HEAD", "OPTIONS"];
const fields = ["Accept", "Content-Type", "Origin"];
/** How long a browser need not ask again, seconds. */
const maxAge = 300;

/** `patterns`: origins in lower case, `*` standing for any text. */
export function createCors(patterns: readonly string[]): Cors {
  const allowed = patterns.map((pattern) => {
    const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`);
  });
  const originOf = ({ request }: Exchange): string | undefined => {
    const origin = first(request.headers.origin);
    return origin !== undefined && allowed.some((pattern) => pattern.test(origin.toLowerCase())) ? origin : undefined;
  };
  return {
    isPreflight: ({ request: { method, headers } }) =>
      method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined,
    preflight(exchange) {
      const { headers } = exchange.request;
      const wanted = headers["access-control-request-headers"];
      const isAllowed =
        originOf(exchange) !== undefined &&
        methods.includes(headers["access-control-request-method"] ?? "") &&
        namesIn(wanted).every((name) => fields.some((field) => field.toLowerCase() === name));
      return {
        vary: "Access-Control-Request-Method, Access-Control-Request-Headers",
        ...(isAllowed && {
          "access-control-allow-methods": methods.join(", "),
          "access-control-allow-headers": fields.join(", "),
          "access-control-max-age": maxAge,
        }),
      };
    },
    fields(exchange, headers) {
      const seen: ResponseHeaders = {};
      for (const [name, value] of Object.entries(headers))
        if (!isUpstreams(name, exchange.request.method)) seen[name] = value;
      const vary = [seen["vary"] ?? []].flat().join(", ");
      // RFC 9110 §12.5.5: of any answer that would be another for another page.
      if (!namesIn(vary).some((name) => name === "origin" || name === "*"))
        seen["vary"] = vary === "" ? "Origin" : `${vary}, Origin`;
      const origin = originOf(exchange);
      if (origin !== undefined) seen["access-control-allow-origin"] = origin;
      return seen;
    },
  };
}

/** Only our own preflights say what is allowed. */
function isUpstreams(name: string, method: string | undefined): boolean {
  if (!name.startsWith("access-control-")) return false;
  return method !== "OPTIONS" || name === "access-control-allow-origin" || name === "access-control-allow-credentials";
}

function namesIn(list: string | undefined): string[] {
  return (list ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "");
}
