import { LRUCache } from "lru-cache";

/** A request that the fast lane takes, whole in one piece. */
export interface LaneRequest {
  readonly method: "GET" | "HEAD";
  readonly target: string;
  /** By lower-case name; none came twice. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Bytes: what container clients send is a quarter of it, a token that fills a header of its own included. */
export const longestRequest = 8 * 1024;
const mostFields = 64;

/** Origin form (RFC 9112 §3.2.1) of characters that mean the same to everybody: no fragment, no second slash after the first. */
const requestLine = /^(GET|HEAD) (\/(?!\/)[A-Za-z0-9._~/:@!$&'()*+,;=?%-]*) HTTP\/1\.1$/;
const connectLine = /^CONNECT ([A-Za-z0-9.-]{1,255}:[0-9]{1,5}) HTTP\/1\.1$/;
/** RFC 9112 §5 without what it merely tolerates: one space after the colon, visible ASCII, nothing folded, nothing trailing. */
const fieldLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)$/;

/** Fields that say how a message or its connection goes on: they are for a whole parser (RFC 9112 §6, §9; RFC 9110 §7.8, §10.1). */
const framing = new Set([
  "connection",
  "content-length",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** Of fields of these alone a text may be remembered: they are the program's that asks, not those of its user, and hold no credential. */
const common = new Set(["host", "user-agent", "accept", "accept-encoding", "connection", "proxy-connection"]);
/** Bytes: what is remembered is bounded by count and by size. */
const longestKept = 1024;
/** Request lines that were read, for all connections: an image's clients ask for the same. */
const knownLines = new LRUCache<string, RequestLine>({ max: 4000 });
/** Fields that were read, by their text, for all connections: each client's program sends the same on each. */
const knownBlocks = new LRUCache<string, Fields>({ max: 200 });

type Fields = Readonly<Record<string, string>>;
type RequestLine = Pick<LaneRequest, "method" | "target">;

/** A CONNECT has no other meaning for them than that; clients of proxies send them. */
const allowedInConnect = new Set(["connection", "proxy-connection", "keep-alive"]);

/**
 * Reads requests of one form, a narrow part of what Node's parser takes, and with the same meaning: whatever is in doubt is not taken, and
 * goes to that parser. One for each connection, since a client repeats its fields and they need not be read again.
 */
export class LaneRequests {
  readonly #host: string;
  #block = "";
  #headers: Readonly<Record<string, string>> | undefined;

  /** `host`: the one value of Host that is taken. */
  constructor(host: string) {
    this.#host = host;
  }

  /** The one request that `chunk` is, from its first byte to its last. */
  read(chunk: Buffer): LaneRequest | undefined {
    const parts = split(chunk);
    if (parts === undefined) return undefined;
    const line = readLine(parts.line);
    if (line === undefined) return undefined;
    const { block } = parts;
    if (block !== this.#block) {
      const headers = readRequestFields(block);
      this.#headers = headers?.["host"] === this.#host ? headers : undefined;
      this.#block = block;
    }
    if (this.#headers === undefined) return undefined;
    return { method: line.method, target: line.target, headers: this.#headers };
  }
}

/** The target of the one CONNECT that `chunk` is, as it was written; undefined where it is anything else, or in doubt. */
export function readConnect(chunk: Buffer): string | undefined {
  const parts = split(chunk);
  const target = parts === undefined ? undefined : connectLine.exec(parts.line)?.[1];
  return parts === undefined || target === undefined || !isConnectBlock(parts.block) ? undefined : target;
}

/** The first line and the rest, each a text of its own, so that who keeps one keeps no more than that. */
function split(chunk: Buffer): { line: string; block: string } | undefined {
  if (chunk.length > longestRequest) return undefined;
  const end = chunk.indexOf(carriageReturn);
  if (end === -1 || chunk[end + 1] !== lineFeed) return undefined;
  return { line: chunk.toString("latin1", 0, end), block: chunk.toString("latin1", end + 2) };
}

const carriageReturn = 13;
const lineFeed = 10;

function readLine(text: string): RequestLine | undefined {
  const known = knownLines.get(text);
  if (known !== undefined) return known;
  const [, method, target] = requestLine.exec(text) ?? [];
  if (target === undefined) return undefined;
  const line = { method: method === "GET" ? "GET" : "HEAD", target } as const;
  // A query may hold a secret.
  if (text.length <= longestKept && !target.includes("?")) knownLines.set(text, line);
  return line;
}

function readRequestFields(block: string): Fields | undefined {
  const known = knownBlocks.get(block);
  if (known !== undefined) return known;
  const fields = readFields(block, false);
  if (fields !== undefined && isCommon(block, fields)) knownBlocks.set(block, fields);
  return fields;
}

/** Those of a CONNECT, which mean nothing, that were found to be fit for one. */
const knownConnectBlocks = new LRUCache<string, true>({ max: 200 });

function isConnectBlock(block: string): boolean {
  if (knownConnectBlocks.get(block) === true) return true;
  const fields = readFields(block, true);
  if (fields !== undefined && isCommon(block, fields)) knownConnectBlocks.set(block, true);
  return fields !== undefined;
}

function isCommon(block: string, fields: Fields): boolean {
  return block.length <= longestKept && Object.keys(fields).every((name) => common.has(name));
}

function readFields(block: string, isConnect: boolean): Record<string, string> | undefined {
  if (!block.endsWith("\r\n\r\n")) return undefined;
  const lines = block.slice(0, -4).split("\r\n");
  if (lines.length > mostFields) return undefined;
  const fields = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const match = fieldLine.exec(line);
    if (match === null) return undefined;
    const [, written = "", value = ""] = match;
    const name = written.toLowerCase();
    if (fields[name] !== undefined) return undefined;
    if (framing.has(name) && !(isConnect ? allowedInConnect.has(name) : isKeepAlive(name, value))) return undefined;
    fields[name] = value;
  }
  return fields;
}

/** What HTTP/1.1 means anyway (RFC 9112 §9.3); clients that know older servers still say it. */
function isKeepAlive(name: string, value: string): boolean {
  return name === "connection" && (value === "keep-alive" || value === "Keep-Alive");
}
