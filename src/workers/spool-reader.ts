import { close, open, read } from "node:fs";
import { EntrepotError } from "../core/errors.ts";

/** Reads a file that another process writes, by a descriptor of its own, which outlives the file's name. */
export class SpoolReader {
  #descriptor: number | undefined;
  #problem: EntrepotError | undefined;
  #waiting: (() => void)[] | undefined = [];
  #operations = 0;
  #closed = false;

  /** The first of the paths that is there: a spool is moved when it is whole. */
  constructor(paths: readonly string[]) {
    this.#open(paths);
  }

  #open([path, ...others]: readonly string[]): void {
    if (path === undefined) {
      this.#opened(undefined, failure(undefined));
      return;
    }
    open(path, "r", (error, descriptor) => {
      if (error === null) this.#opened(descriptor, undefined);
      else if (error.code === "ENOENT") this.#open(others);
      else this.#opened(undefined, failure(error));
    });
  }

  #opened(descriptor: number | undefined, problem: EntrepotError | undefined): void {
    this.#descriptor = descriptor;
    this.#problem = problem;
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const go of waiting) go();
    this.#closeWhenIdle();
  }

  /** Calls back with the number of bytes read, at least one. */
  read(buffer: Buffer, position: number, done: (error: Error | undefined, bytes: number) => void): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(() => this.read(buffer, position, done));
      return;
    }
    if (this.#descriptor === undefined || this.#closed) {
      done(this.#problem ?? failure(undefined), 0);
      return;
    }
    this.#operations += 1;
    read(this.#descriptor, buffer, 0, buffer.length, position, (error, bytes) => {
      this.#operations -= 1;
      this.#closeWhenIdle();
      if (error !== null || bytes === 0) done(failure(error ?? undefined), 0);
      else done(undefined, bytes);
    });
  }

  close(): void {
    this.#closed = true;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (!this.#closed || this.#operations > 0 || this.#descriptor === undefined) return;
    close(this.#descriptor, () => undefined);
    this.#descriptor = undefined;
  }
}

function failure(cause: unknown): EntrepotError {
  return new EntrepotError(
    "CACHE_IO",
    "The file of a blob that is being fetched cannot be read. Look at the cache directory and its disk.",
    { cause },
  );
}
