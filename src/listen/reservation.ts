import { lookup } from "node:dns/promises";
import { BoundSocket, isIP } from "node:net";
import type { Log } from "../observe/log.ts";
import { type Addresses, isIPv6Only, openPlaces, type Place } from "./sockets.ts";
import type { InheritedSocket } from "./types.ts";

interface Reserved {
  /** What was asked for. */
  readonly wanted: string;
  readonly tls: boolean;
  /** One for each queue; a single one where the system does not spread connections. */
  readonly bound: readonly BoundSocket[];
}

/**
 * The addresses and ports of an instance of several workers: bound here, listened on there. At each there is a socket for each queue, among which the
 * kernel spreads connections (SO_REUSEPORT). As long as this process has them too, none of them closes when a worker ends: what waits in its queue waits
 * for the next one.
 */
export class Reservation {
  readonly #places: readonly Reserved[];

  private constructor(places: readonly Reserved[]) {
    this.#places = places;
  }

  /**
   * Rejects with CONFIG_INVALID that names the option. What an earlier one has at the same place stays that, with as many queues at least: to close
   * one would lose who waits in it.
   */
  static async open(wanted: Addresses, workers: number, log: Log, earlier?: Reservation): Promise<Reservation> {
    const queues = Math.max(workers, earlier?.queues ?? 1);
    const left = earlier === undefined ? [] : [...earlier.#places];
    const before = new Set(left.flatMap(({ bound }) => bound));
    const open = async (place: Place): Promise<Reserved> => {
      const { tls } = place;
      const ipv6Only = isIPv6Only(place.host, wanted.hosts);
      const name = JSON.stringify([place, ipv6Only]);
      const at = left.findIndex((reserved) => reserved.wanted === name);
      const [kept] = at === -1 ? [] : left.splice(at, 1);
      if (kept !== undefined) return { wanted: name, tls, bound: more(kept.bound, queues, ipv6Only) };
      const host = isIP(place.host) === 0 ? (await lookup(place.host)).address : place.host;
      return { wanted: name, tls, bound: bind({ host, port: place.port, ipv6Only }, queues) };
    };
    return new Reservation(
      await openPlaces(wanted, log, open, ({ bound }) => {
        for (const socket of bound) if (!before.has(socket)) socket.close();
      }),
    );
  }

  get queues(): number {
    return Math.max(...this.#places.map(({ bound }) => bound.length));
  }

  /** For workers to inherit; the descriptors are of this process. */
  get sockets(): InheritedSocket[] {
    return this.#places.flatMap(({ tls, bound }) => bound.map((socket, queue) => ({ fd: socket.fd(), tls, queue })));
  }

  /** Closes what another one does not have, and is not closed yet. */
  release(other?: Reservation): void {
    const kept = new Set(other === undefined ? [] : other.#places.flatMap(({ bound }) => bound));
    for (const { bound } of this.#places) for (const socket of bound) if (!kept.has(socket)) socket[Symbol.dispose]();
  }
}

interface Where {
  readonly host: string;
  readonly port: number;
  readonly ipv6Only: boolean;
}

function bind(where: Where, queues: number): readonly BoundSocket[] {
  // Without SO_REUSEPORT, so that the system says where another program, this one included, listens there; and it chooses a port where that is 0.
  const first = new BoundSocket(where);
  try {
    const bound = bindReused({ ...where, port: first.address().port }, queues);
    first.close();
    return bound;
  } catch (error) {
    // Not every system spreads connections: there all workers take them from one queue.
    if ((error as NodeJS.ErrnoException).code === "ENOTSUP") return [first];
    first.close();
    throw error;
  }
}

function more(bound: readonly BoundSocket[], queues: number, ipv6Only: boolean): readonly BoundSocket[] {
  const [first] = bound;
  if (first === undefined || bound.length === 1 || bound.length >= queues) return bound;
  const { address: host, port } = first.address();
  return [...bound, ...bindReused({ host, port, ipv6Only }, queues - bound.length)];
}

function bindReused(where: Where, count: number): BoundSocket[] {
  const bound: BoundSocket[] = [];
  try {
    while (bound.length < count) bound.push(new BoundSocket({ ...where, reusePort: true }));
    return bound;
  } catch (error) {
    for (const socket of bound) socket.close();
    throw error;
  }
}
