import type { IncomingHttpHeaders } from "node:http";

/** How the end of a body is found (RFC 9112 §6.3). */
export type Framing = { readonly kind: "length"; readonly length: number } | { readonly kind: "chunked" | "close" };

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case, repeated fields as node:http joins them. */
  readonly headers: IncomingHttpHeaders;
  /** Names and values as they came. */
  readonly rawHeaders: readonly string[];
  readonly framing: Framing;
  /** Whether the connection outlives the message, as far as the head says. */
  readonly keepAlive: boolean;
}

/** What is not HTTP/1.1, with the code that node's own parser gives it. */
export class MalformedResponse extends Error {
  readonly code: string;

  constructor(code: string) {
    super("The answer is not HTTP/1.1.");
    this.name = "MalformedResponse";
    this.code = code;
  }
}

const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
const token = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
/** CR, LF and NUL could end a field for somebody else (RFC 9110 §5.5). Other controls mean nothing good either. */
const forbidden = /[^\t\x20-\x7e\x80-\xff]/;

/** Of these the first counts; a second one is not part of a list (as node:http has it). */
const single = new Set(
  "age authorization content-type etag expires from host if-modified-since if-unmodified-since last-modified location max-forwards proxy-authorization referer retry-after server user-agent".split(
    " ",
  ),
);

/** A head without the empty line at its end, as latin1. Throws MalformedResponse. */
export function parseHead(text: string): ResponseHead {
  const [first = "", ...lines] = text.split("\r\n");
  const found = statusLine.exec(first);
  if (found === null || forbidden.test(first)) throw new MalformedResponse("HPE_INVALID_CONSTANT");
  const [, minor, digits] = found;
  const status = Number(digits);
  const headers: IncomingHttpHeaders = {};
  const rawHeaders: string[] = [];
  for (const line of lines) {
    const [name, value] = parseField(line);
    rawHeaders.push(name, value);
    add(headers, name.toLowerCase(), value);
  }
  const framing = framingOf(status, headers);
  const closes = headers.connection?.split(",").some((option) => option.trim().toLowerCase() === "close") ?? false;
  return { status, headers, rawHeaders, framing, keepAlive: minor === "1" && !closes && framing.kind !== "close" };
}

/** One field line. A folded one is refused: its meaning differs between readers (RFC 9112 §5.2). Throws MalformedResponse. */
export function parseField(line: string): [name: string, value: string] {
  const colon = line.indexOf(":");
  const name = line.slice(0, Math.max(0, colon));
  if (!token.test(name) || forbidden.test(line)) throw new MalformedResponse("HPE_INVALID_HEADER_TOKEN");
  let start = colon + 1;
  let end = line.length;
  while (start < end && isBlank(line, start)) start += 1;
  while (end > start && isBlank(line, end - 1)) end -= 1;
  return [name, line.slice(start, end)];
}

function isBlank(line: string, at: number): boolean {
  return line[at] === " " || line[at] === "\t";
}

function add(headers: IncomingHttpHeaders, name: string, value: string): void {
  if (name === "set-cookie") {
    headers["set-cookie"] = [...(headers["set-cookie"] ?? []), value];
    return;
  }
  if (!Object.hasOwn(headers, name)) {
    headers[name] = value;
    return;
  }
  // RFC 9112 §6.3: a second length, even an equal one, is how messages are smuggled.
  if (name === "content-length") throw new MalformedResponse("HPE_UNEXPECTED_CONTENT_LENGTH");
  if (!single.has(name)) headers[name] = `${String(headers[name])}, ${value}`;
}

function framingOf(status: number, headers: IncomingHttpHeaders): Framing {
  const length = headers["content-length"];
  const coding = headers["transfer-encoding"];
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw new MalformedResponse("HPE_INVALID_CONTENT_LENGTH");
  if (coding !== undefined) {
    if (length !== undefined) throw new MalformedResponse("HPE_UNEXPECTED_CONTENT_LENGTH");
    // Nothing else was offered (RFC 9112 §7.4).
    if (coding.toLowerCase() !== "chunked") throw new MalformedResponse("HPE_INVALID_TRANSFER_ENCODING");
  }
  if (status < 200 || status === 204 || status === 304) return { kind: "length", length: 0 };
  if (coding !== undefined) return { kind: "chunked" };
  return length === undefined ? { kind: "close" } : { kind: "length", length: Number(length) };
}
