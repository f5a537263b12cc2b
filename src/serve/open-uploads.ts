import { LRUCache } from "lru-cache";
import type { Origin } from "../core/origin.ts";
import type { UploadState } from "./upload-state.ts";

/** Uploads that wait for their next request. */
const most = 100;
/** Milliseconds. */
const patience = 3_600_000;

export interface OpenUploadsOptions {
  /** Milliseconds that an upload is kept for its next request; an hour unless given. */
  readonly patience?: number;
}

/** What uploads in several requests brought so far, by the place where each goes on. What leaves otherwise than by `take` is dropped. */
export class OpenUploads {
  readonly #waiting: LRUCache<string, UploadState>;

  constructor(options: OpenUploadsOptions = {}) {
    this.#waiting = new LRUCache<string, UploadState>({
      max: most,
      ttl: options.patience ?? patience,
      // A spool holds a file open: it is not to wait for somebody else's upload.
      ttlAutopurge: true,
      dispose: (state, _key, reason) => {
        if (reason !== "delete") state.drop();
      },
    });
  }

  put(key: string, state: UploadState): void {
    this.#waiting.set(key, state);
  }

  /** Takes it out: two requests at once to one upload are none that can be followed. */
  take(key: string): UploadState | undefined {
    const state = this.#waiting.get(key);
    this.#waiting.delete(key);
    return state;
  }
}

/**
 * The key of the place where an upload goes on. A client adds the digest to the query of the Location that it was given, and may spell and order
 * the rest anew.
 */
export function uploadKey(origin: Origin, target: string): string | undefined {
  const base = `${origin.scheme}://${origin.authority}`;
  if (!URL.canParse(target, base)) return undefined;
  const url = new URL(target, base);
  if (url.origin !== new URL(base).origin) return undefined;
  url.searchParams.delete("digest");
  url.searchParams.sort();
  return `${origin.name}|${url.pathname}?${url.searchParams.toString()}`;
}
