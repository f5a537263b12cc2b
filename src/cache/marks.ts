import type { SmallFiles } from "./small-files.ts";
import { markSync } from "./stamp.ts";
import { errnoOf, type Troubles } from "./trouble.ts";

/** Milliseconds for which files to be dated are gathered. */
const gather = 1000;
/** Dated at the same time: few ways to the thread pool for many files, and nobody waits long behind them there. */
const together = 16;

/**
 * Dates files with their last uses, a second's at a time: on its way by itself through the thread pool, amid hits, each costs as much as two or three of these.
 */
export class Marks {
  readonly #files: SmallFiles;
  readonly #troubles: Troubles;
  /** When each was used last, milliseconds since the epoch, by path. */
  readonly #due = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(files: SmallFiles, troubles: Troubles) {
    this.#files = files;
    this.#troubles = troubles;
  }

  add(path: string, used: number): void {
    this.#due.set(path, used);
    this.#timer ??= setTimeout(() => void this.#flush(), gather).unref();
  }

  async #flush(): Promise<void> {
    // What is not under way stays due: the process may end meanwhile.
    while (this.#due.size > 0) {
      const dating: Promise<void>[] = [];
      for (const [path, used] of this.#due) {
        this.#due.delete(path);
        dating.push(this.#files.mark(path, used).catch(this.#failed));
        if (dating.length === together) break;
      }
      await Promise.all(dating);
    }
    this.#timer = undefined;
  }

  /** Dates at once what is gathered, for a process that ends. */
  close(): void {
    clearTimeout(this.#timer);
    for (const [path, used] of this.#due) {
      try {
        markSync(path, used);
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#due.clear();
  }

  readonly #failed = (error: unknown): void => {
    // Evicted or wiped in between: who looks for it notices that itself.
    if (errnoOf(error) !== "ENOENT") this.#troubles.report("mark a blob as used", error);
  };
}
