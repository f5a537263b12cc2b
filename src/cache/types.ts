import type { Readable } from "node:stream";
import type { Body } from "../core/body.ts";
import type { Digest } from "../core/digest.ts";

/** Content that a store holds, by digest. */
export interface Stored {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** When it was last used, milliseconds since the epoch; survives a restart, to within ten minutes. */
  readonly lastUsed: number;
}

/**
 * Where content lives. What `find` returns was verified when it was adopted. A disk that fails makes `find` return undefined and the
 * writes reject with CACHE_IO; nothing here ever throws for content that vanished.
 */
export interface Store {
  /**
   * Whole content, opened for reading, and marked as used; undefined where there is none. The caller closes it. Content of another
   * size than `size` (bytes), where the caller knows it, is damaged: it is dropped, and counts as absent.
   */
  find(digest: Digest, size?: number): Promise<Body | undefined>;
  /** Whether it is held, and its size, without opening it. */
  stat(digest: Digest): Promise<Stored | undefined>;
  /** A new place for bytes that are not yet proven; `digest`: what they are to be, where that is known by now. */
  createSpool(digest?: Digest): Promise<Spool>;
  /** Small content in one go (a manifest). Rejects with UPSTREAM_WRONG_DIGEST where it hashes to something else. */
  put(digest: Digest, bytes: Buffer): Promise<void>;
  /** Drops content. One that is being read stays readable by who has it open. */
  remove(digest: Digest): Promise<void>;
  /** All content, in no order. */
  list(signal: AbortSignal): AsyncIterable<Stored>;
}

/** Is told what happens to content, as the ledger of the evictor has to be. */
export interface StoreListener {
  /** Adopted or read. `at`: milliseconds since the epoch. */
  used(digest: Digest, size: number, at: number): void;
  removed(digest: Digest): void;
}

export interface WatchedStore extends Store {
  /** Drops content that is damaged. Where the disk does not let it go it is not found any more all the same, until it is adopted anew. */
  condemn(digest: Digest): Promise<void>;
  watch(listener: StoreListener): void;
}

/** A store that can say at once what it holds in memory. */
export interface HotStore extends WatchedStore {
  /** Whole content, marked as used, where it is in memory; the disk is not asked. Not to be written to. */
  hot(digest: Digest): Buffer | undefined;
  /**
   * Brings content of `size` bytes into memory, where it is small and its file is right; anything else is left to `find`. Does not count as a use.
   * Never rejects.
   */
  warm(digest: Digest, size: number): Promise<void>;
}

/** The file that a flight writes. Positions are bytes from the start. */
export interface Spool {
  /** Where another process finds it; undefined for one that is no file. */
  readonly path?: string;
  /** Appends pieces in one go. Rejects with CACHE_IO. */
  append(pieces: readonly Buffer[]): Promise<void>;
  /** Reads what was appended, into `buffer`, calls back with the number of bytes read. */
  read(buffer: Buffer, position: number, done: (error: Error | null, bytes: number) => void): void;
  /**
   * Makes the bytes the content of the digest, which the caller has verified; `as` names it where the spool was created without. The spool
   * stays readable until closed.
   */
  adopt(as?: Digest): Promise<void>;
  /** Throws the bytes away. */
  discard(): Promise<void>;
  /** Gives the descriptor back. What was neither adopted nor discarded is discarded. */
  close(): void;
}

/** Small facts by key: what a tag points to, with which media type a digest is served at an origin. */
export interface Records {
  get(key: string): Promise<CacheRecord | undefined>;
  /** Rejects with CACHE_IO where it could not be kept on disk; it is then still kept in memory. */
  put(key: string, record: CacheRecord): Promise<void>;
  delete(key: string): Promise<void>;
}

export interface HotRecords extends Records {
  /** What memory knows by a key; nobody is asked. */
  hot(key: string): CacheRecord | undefined;
}

export interface CacheRecord {
  /** The content that it is about; a record whose content is gone is collected in time. */
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** When the upstream last confirmed it, milliseconds since the epoch. */
  readonly checked: number;
  /** What else goes by the same key, by a name of its own: the bodies of a tag by Accept. */
  readonly variants?: Readonly<Record<string, CacheVariant>>;
}

export type CacheVariant = Omit<CacheRecord, "variants">;

/**
 * What a flight asks of the way out: the bytes of a digest from an offset on. `validator` is that of the bytes it has, to be sent as
 * If-Range (RFC 9110 §13.1.5). Rejects with UPSTREAM_WRONG_LENGTH, or with UPSTREAM_PROTOCOL without a cause, where asking again is of no
 * use (a 416 to a further attempt); after the first answer, anything else it rejects with is tried again.
 */
export type FillFetch = (offset: number, signal: AbortSignal, validator?: string) => Promise<FillSource>;

export interface FillSource {
  /** Size of the whole blob in bytes, where it is known. */
  readonly size: number | undefined;
  readonly mediaType: string;
  /** A strong entity tag (RFC 9110 §8.8.3), as the upstream wrote it. */
  readonly validator?: string | undefined;
  /** Position of the first byte of `body`: the offset asked for, or 0 where the upstream ignored it. */
  readonly offset: number;
  readonly body: Readable;
  /**
   * Is told that the content is whole and right, before anybody finds it in the store: what is to be known of it by then. Never rejects.
   * `size`: its bytes.
   */
  readonly proven?: (size: number, mediaType: string) => Promise<void>;
}

/** Known once the upstream has answered. */
export interface FlightHead {
  readonly size: number | undefined;
  readonly mediaType: string;
}

/** Disk space, as a flight asks for it. */
export interface Room {
  /** Frees at least so many bytes, where there are as many; resolves with what it freed. Never rejects. */
  free(bytes: number): Promise<number>;
  /** Sees, in the background, to what has to stay free on the file system. */
  keep(): void;
}

/** The one fill in progress for a digest. */
export interface Flight {
  readonly digest: Digest;
  /** Who may join without asking further: the name of the origin that it fills from. */
  readonly origin: string;
  /** Rejects with what `fetch` rejected with. */
  readonly head: Promise<FlightHead>;
  /** Resolves when the content is adopted, rejects when the flight failed for good, or landed and could not be kept (CACHE_IO). */
  readonly done: Promise<void>;
  /**
   * A reader from any position; closing it never stops the flight where others follow (or where it outlives its clients). `rescue`: how this
   * follower would fetch the content himself, for a flight whose leader is lost with his process.
   */
  follow(rescue?: FillFetch): Body;
}

/** A flight that was joined; `leading`: started for this caller, with his fetch. */
export interface Joined {
  readonly flight: Flight;
  readonly leading: boolean;
}

/** A port: the table of an instance of several processes is in another one, which has to be asked. */
export interface Flights {
  /** The flight in progress for a digest, where a newcomer can be served from it whatever part he asks for. */
  current(digest: Digest): Flight | undefined | Promise<Flight | undefined>;
  /**
   * Joins the flight in progress or starts one with `fetch`, in one step. `expected`: bytes that it may have at most, where a manifest told
   * so; one that has more fails with an error whose detail names them. Where this origin has just sent something wrong, or where the disk lost what a newcomer needs, it gives a flight that has failed.
   */
  join(digest: Digest, origin: string, fetch: FillFetch, expected?: number): Joined | Promise<Joined>;
}
