import type { Target } from "../contenders/contender.ts";

/** Something to GET. */
export interface Item {
  /** Path of its URL. */
  readonly path: string;
  /** Of a right answer's body. */
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** First and last byte of what is asked for; the answer is then a 206, else a 200. */
  readonly range?: readonly [first: number, last: number];
}

/** Something to push. */
export interface Body {
  readonly file: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** GETs, each of the next item, from the first again after the last. */
export interface PullJob {
  readonly kind: "pull";
  readonly target: Target;
  readonly items: readonly Item[];
  /** Whether the sha256 of every body is checked, which costs the load and not the contender. */
  readonly verify: boolean;
  /** In all. */
  readonly requests: number;
  /** After so many seconds no further request is begun. */
  readonly seconds?: number;
  /**
   * Seconds after all clients have connected between which bytes and time count; then all hang up. So what is under way in buffers is about as much at the
   * beginning as at the end, and many clients need not pull many whole blobs.
   */
  readonly window?: readonly [from: number, to: number];
  /** That ask at the same time, each on its own connection. */
  readonly clients: number;
  /** fresh: a new connection, so CONNECT and a full handshake, for each request. */
  readonly connections: "kept" | "fresh";
  /** These ask just before the others and read at so slow a rate until the others have ended; then they hang up. */
  readonly slow?: { readonly clients: number; readonly bytesPerSecond: number };
}

/** Uploads, each of the next body: OCI distribution 1.1, "POST then PUT". */
export interface PushJob {
  readonly kind: "push";
  readonly target: Target;
  readonly repository: string;
  readonly bodies: readonly Body[];
  /** In all. */
  readonly requests: number;
  readonly clients: number;
}

/** Opens connections that GET the item once each and then say nothing, until the next job of this kind. */
export interface IdleJob {
  readonly kind: "idle";
  readonly target: Target;
  readonly item: Item;
  readonly connections: number;
  /** That are being opened at the same time. */
  readonly atOnce: number;
}

export interface Image {
  /** Path of the tag's URL. */
  readonly tag: string;
  /** By digest. */
  readonly manifest: Item;
  readonly config: Item;
  readonly layers: readonly Item[];
}

/** Whole pulls of an image, one after the other, each on connections of its own. */
export interface ImageJob {
  readonly kind: "image";
  readonly target: Target;
  readonly image: Image;
  readonly verify: boolean;
  readonly pulls: number;
  /** Layers that are downloaded at the same time. */
  readonly atOnce: number;
}

export type Job = PullJob | PushJob | IdleJob | ImageJob;

/** Latencies are milliseconds, of a fresh connection from before it was opened, to the body's last byte. */
export interface JobResult {
  readonly seconds: number;
  readonly bytes: number;
  readonly requests: number;
  /** Of the load itself: near `seconds`, it is the load that limits the throughput. */
  readonly loadCpuSeconds: number;
  /** Undefined where no request has ended. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
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

/** `mark`: a window begins, or ends. */
export type Answer = { readonly result: JobResult } | { readonly problem: string } | { readonly mark: "begin" | "end" };
