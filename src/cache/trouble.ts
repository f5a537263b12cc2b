import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";

/** One line for each kind of trouble in this time, in milliseconds, however many requests meet it. */
const quiet = 10 * 60_000;

const advice: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free space, or lower CACHE_MAX_SIZE.",
  EDQUOT: "The disk quota is used up: raise it, or lower CACHE_MAX_SIZE.",
  EROFS: "The file system is read-only: remount it, or set CACHE_DIR to a writable one.",
  EACCES: "Give the user that the proxy runs as the right to read and write the cache directory.",
  EPERM: "Give the user that the proxy runs as the right to read and write the cache directory.",
  EFBIG:
    "Files may not grow this large: raise the limit on their size (ulimit -f), or set CACHE_DIR to another file system.",
  EMFILE: "Too many open files: raise the limit (ulimit -n).",
  ENFILE: "Too many open files on this machine: raise fs.file-max.",
};

/** Where troubles of this process are told instead, so that an instance has one line for all of its processes. */
export type TellTrouble = (action: string, code: string | undefined) => void;

/** Tells the operator of what goes wrong with the cache's disk, without a line for each request. One for all that use a directory. */
export class Troubles {
  readonly #clock: Clock;
  readonly #tell: TellTrouble;
  readonly #said = new Map<string, number>();

  constructor(log: Log, clock: Clock, tell?: TellTrouble) {
    this.#clock = clock;
    this.#tell =
      tell ?? ((action, code) => log.warn({ event: "cache-trouble", code: code ?? "unknown" }, sentence(action, code)));
  }

  /** `action` completes "The cache could not"; together with the error's code it is the kind. */
  report(action: string, error: unknown): void {
    this.note(action, errnoOf(error));
  }

  /** Likewise, of another process: `code` is its error's. */
  note(action: string, errno: string | undefined): void {
    const code = errno ?? "unknown";
    // A disk that is full or read-only is one trouble, whatever was to be done.
    const kind = code in advice ? code : `${action} ${code}`;
    const now = this.#clock.now();
    const last = this.#said.get(kind);
    if (last !== undefined && now - last < quiet) return;
    this.#said.set(kind, now);
    this.#tell(action, errno);
  }

  /** Reports it and gives the error to reject with. */
  failure(action: string, error: unknown): EntrepotError {
    this.report(action, error);
    return ioError(action, error);
  }
}

export function ioError(action: string, error: unknown): EntrepotError {
  return new EntrepotError("CACHE_IO", sentence(action, errnoOf(error)), { cause: error });
}

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Not the error's own message: it holds paths, and this one may reach a client. */
function sentence(action: string, code: string | undefined): string {
  const hint = code === undefined ? undefined : advice[code];
  return `The cache could not ${action}${code === undefined ? "" : ` (${code})`}. ${hint ?? "Look at the cache directory and its disk."}`;
}
