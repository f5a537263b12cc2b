import type { Target } from "../contenders/contender.ts";

/** One thing for the load to do. */
export interface Job {
  readonly target: Target;
  readonly path: string;
  /** Bytes of a right answer's body; its status is 200. */
  readonly bytes: number;
  /** Hexadecimal; where given, every body is hashed, which costs the load and not the contender. */
  readonly sha256?: string;
  /** In all. */
  readonly requests: number;
  /** After so many seconds no further request is begun. */
  readonly seconds?: number;
  /** That ask at the same time, each on its own connection. */
  readonly clients: number;
  /** fresh: a new connection, so CONNECT and a full handshake, for each request. */
  readonly connections: "kept" | "fresh";
  /** These ask just before the others and read at so slow a rate until the others have ended; then they hang up. */
  readonly slow?: { readonly clients: number; readonly bytesPerSecond: number };
}

/** Latencies are milliseconds, of a fresh connection from before it was opened, to the body's last byte. */
export interface JobResult {
  readonly seconds: number;
  readonly bytes: number;
  readonly requests: number;
  /** Of the load itself: near `seconds`, it is the load that limits the throughput. */
  readonly loadCpuSeconds: number;
  readonly p50: number;
  readonly p99: number;
  /**
   * Milliseconds from the moment when the first client has a byte of its first body to when the next one has (`first`) and the last one
   * (`last`). Undefined for a single client.
   */
  readonly lag: { readonly first: number; readonly last: number } | undefined;
  /** Bytes per second of that slow client that got least. Undefined without slow ones. */
  readonly slowest: number | undefined;
  /** What was negotiated: protocol, cipher, key exchange, kind of the certificate's key. */
  readonly tls: string;
}

export type Answer = { readonly result: JobResult } | { readonly problem: string };
