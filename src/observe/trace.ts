/** Where an answer's bytes came from, in the words of `X-Docker-Registry-Proxy-Cache-Upstream-Status`. */
export type CacheStatus = "MISS" | "HIT" | "EXPIRED" | "REVALIDATED" | "STALE" | "UPDATING" | "BYPASS";

/** What `X-Docker-Registry-Proxy-Cache-Type` says. */
export type CacheType =
  | "blob-by-digest"
  | "manifest-by-digest"
  | "manifest-primary"
  | "manifest-secondary"
  | "manifest-default"
  | "manifest-default-disabled"
  | "blob-mutable"
  | "unknown";

/** The facts of one exchange, gathered on its way and logged as one line when it ends. No field ever holds a credential or a query string. */
export interface Trace {
  door: "connect" | "absolute" | "origin" | "tunnel";
  /** The client's own address, as the socket has it. */
  client: string;
  method: string;
  /** Name of the front that it came through. */
  front?: string;
  /** Name of the origin; for a tunnel the target. */
  origin?: string;
  /** Without its query. */
  path?: string;
  /** Of RegistryRequest, or "own" and "tunnel". */
  kind?: string;
  repository?: string;
  reference?: string;
  status?: number;
  cache?: CacheStatus;
  tier?: CacheType;
  /** Joined another's flight. */
  collapsed?: boolean;
  /** Bytes of the body sent to the client; for a tunnel, from the target. */
  bytes?: number;
  /** Bytes of the body received from the client. */
  received?: number;
  /** Milliseconds from the request's head to the first byte of the answer. */
  firstByte?: number;
  /** Milliseconds to the last. */
  lastByte?: number;
  upstream?: string;
  attempts?: number;
  /** Code of the EntrepotError that it ended with. */
  error?: string;
  /** Its message. */
  problem?: string;
}
