import { endToEnd, type HeaderValues } from "../core/headers.ts";

/**
 * Fields that tell a registry nothing of who asks. A list of what is harmless and not of what is not, since registries take credentials in
 * fields of their own (cookies, API keys, job tokens).
 */
const harmless = new Set(
  [
    "accept accept-charset accept-encoding accept-language user-agent host content-length content-type",
    "range if-range if-match if-none-match if-modified-since if-unmodified-since expect cache-control pragma date",
    "via forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-real-ip origin referer dnt priority",
    "x-request-id x-correlation-id traceparent tracestate baggage b3 x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled",
    "docker-distribution-api-version x-meta-source-client sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user",
  ].flatMap((names) => names.split(" ")),
);

export interface Identity {
  readonly authorization: string | undefined;
  /** All that tells who asks, as one text: a secret. Undefined: nothing does. */
  readonly text: string | undefined;
  /** Whether the Authorization is all there is. */
  readonly plain: boolean;
}

/** What of a request's fields tells its registry who asks. */
export function identityOf(headers: HeaderValues & { readonly authorization?: string | undefined }): Identity {
  const { authorization } = headers;
  const others = Object.entries(endToEnd(headers))
    .filter(([name]) => name !== "authorization" && !harmless.has(name))
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : value.join(", ")}`);
  if (others.length === 0) return { authorization, text: authorization, plain: true };
  return { authorization, text: [authorization ?? "", ...others.toSorted()].join("\n"), plain: false };
}

/** The fields that go with a request which nobody is to be known by. */
export function withoutIdentity(
  headers: Readonly<Record<string, string | string[]>>,
): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => harmless.has(name)));
}
