import { closeSync } from "node:fs";
import { type Acceptance, listenOn, type OpenSocket } from "./sockets.ts";
import type { Inherited, InheritedSocket, Listening } from "./types.ts";

/** The sockets that a worker has from its primary, of which it listens on some. */
export class InheritedSockets {
  readonly #plan: Acceptance;
  readonly #own: readonly number[];
  readonly #spare: Set<InheritedSocket>;
  readonly #open: OpenSocket[] = [];
  #closed = false;

  constructor({ sockets, queues }: Inherited, plan: Acceptance) {
    this.#plan = plan;
    this.#own = queues;
    this.#spare = new Set(sockets);
  }

  /** Listens on its own. Resolves with the places, each of which has a socket in every queue. */
  async start(): Promise<Listening[]> {
    const [first = [], ...more] = this.#own.map((queue) => this.#listenOn(queue));
    const places = await Promise.all(first);
    await Promise.all(more.flat());
    return places;
  }

  /** Listens on these too, unless it is closed: who did is gone. */
  async adopt(queues: readonly number[]): Promise<void> {
    if (!this.#closed) await Promise.all(queues.flatMap((queue) => this.#listenOn(queue)));
  }

  /** Takes no more connections. Those that wait are left to whoever else has the sockets. Resolves when all are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { fd } of this.#spare) closeSync(fd);
    this.#spare.clear();
    await Promise.all(this.#open.map(({ server }) => new Promise<void>((resolve) => server.close(() => resolve()))));
  }

  #listenOn(queue: number): Promise<Listening>[] {
    const taken = [...this.#spare].filter((socket) => socket.queue === queue);
    return taken.map(async (socket) => {
      this.#spare.delete(socket);
      const open = await listenOn(this.#plan, socket.fd, socket.tls);
      this.#open.push(open);
      if (this.#closed) open.server.close();
      return open.listening;
    });
  }
}
