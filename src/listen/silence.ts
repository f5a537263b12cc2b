import type { Socket } from "node:net";

/** Grows with every byte that a socket has received, or that it has handed to the kernel. */
export function progressOf(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten - socket.writableLength;
}

/**
 * Milliseconds for which nothing has moved, told at each idle timer. A socket has one timer although its limits for reading and
 * for writing differ: it runs at the shorter one, and is set again until the limit that applies is reached.
 */
export class Silence {
  #progress = -1;
  #silent = 0;

  /** At a timer: `progress` as it is now, and what the timer itself proves where that has changed since the last one. */
  add(interval: number, progress: number, proven: number): number {
    this.#silent = progress === this.#progress ? this.#silent + interval : proven;
    this.#progress = progress;
    return this.#silent;
  }
}
