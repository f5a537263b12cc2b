import { close } from "node:fs";

/** A descriptor that several readers share. It is closed when the last has let go: before that its number must not be given to another file. */
export class OpenFile {
  readonly descriptor: number;
  #holders = 1;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  retain(): void {
    this.#holders += 1;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) close(this.descriptor, ignore);
  }
}

function ignore(): void {
  // A descriptor that cannot be closed is of no consequence to anybody.
}
