/** Header fields of one hop only, never passed on (RFC 9110 §7.6.1, and the two that old clients send to proxies). */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The end-to-end part of received headers: without hop-by-hop fields and what Connection names. Names are lower-case. */
export function endToEnd(headers: HeaderValues): Record<string, string | string[]> {
  const named = new Set(
    first(headers["connection"])
      ?.split(",")
      .map((name) => name.trim().toLowerCase()) ?? [],
  );
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || hopByHop.has(name) || named.has(name)) continue;
    kept[name] = typeof value === "string" ? value : [...value];
  }
  return kept;
}

/** The one value of a field, or the first of several. */
export function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" || value === undefined ? value : value[0];
}

/** Content-Length as a number of bytes; undefined where it is absent or no number. */
export function contentLength(headers: HeaderValues): number | undefined {
  const text = first(headers["content-length"]);
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
