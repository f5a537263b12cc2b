import type { ResponseHeaders } from "./write.ts";

/**
 * How the clients of a front see what its upstream answers: the names, addresses and challenges in it are the upstream's own. Pure functions;
 * content and its digests are never changed.
 */
export interface View {
  /** The fields of an answer's head, errors of ours included. */
  fields(status: number, headers: ResponseHeaders): ResponseHeaders;
  /**
   * The body of a list (tags, catalog, referrers) or of an error; `kind` is the RegistryRequest's, `body` parsed JSON. The same value, untouched, where nothing in it is to
   * be seen otherwise. Of an error that is no JSON, its text. Undefined where the view changes no bodies, so that none is read.
   */
  readonly body: ((kind: string | undefined, status: number, body: unknown) => unknown) | undefined;
  /** Whether the answers of token services are read too; `kind` is then `token`. */
  readonly tokens?: boolean;
}

const lists = new Set<string | undefined>(["tags", "catalog", "referrers"]);

/** Bytes of a list or an error that are read to be changed; a catalog of 10,000 names of 100 characters is one megabyte. */
export const largestViewed = 16 * 1024 * 1024;

/** Lists name repositories, and so do errors; what else there is goes through as it is. */
export function isViewed(view: View | undefined, kind: string | undefined, status: number): view is ViewOfBodies {
  if (view?.body === undefined) return false;
  if (status >= 400) return true;
  return status === 200 && (lists.has(kind) || (kind === "token" && view.tokens === true));
}

type ViewOfBodies = View & { readonly body: NonNullable<View["body"]> };

/** A JSON text as the view has it, and the text of an error that is none; whatever else is no JSON stays as it is. */
export function viewedBody(view: ViewOfBodies, kind: string | undefined, status: number, bytes: Buffer): Buffer {
  let body: unknown;
  try {
    body = JSON.parse(bytes.toString("utf8"));
  } catch {
    if (status < 400) return bytes;
    const text = bytes.toString("utf8");
    const shown = view.body(kind, status, text);
    return shown === text || typeof shown !== "string" ? bytes : Buffer.from(shown);
  }
  const seen = view.body(kind, status, body);
  return seen === body ? bytes : Buffer.from(`${JSON.stringify(seen)}\n`);
}
