import type { OnReadOpts, Socket } from "node:net";
import type { Origin } from "../core/origin.ts";

/** Bytes. A TLS record has 16 KiB at most, and node reads 64 KiB at once from a plain connection. */
const bufferSize = 64 * 1024;

/**
 * A connection that reads into one buffer of its own, again and again. A buffer for each TLS record, as streams have it, costs a third of
 * all CPU time of a large download in garbage collection alone.
 */
export class Wire {
  readonly socket: Socket;
  /** Whether a request was answered on it before. */
  reused = false;
  readonly #inlet: Inlet;

  constructor(socket: Socket, inlet: Inlet) {
    this.socket = socket;
    this.#inlet = inlet;
    this.listen();
  }

  /** What has come goes there, valid during the call alone. Without one nothing was asked, and what comes is the answer to no request of ours. */
  listen(take: (bytes: Buffer) => void = () => this.socket.destroy()): void {
    this.#inlet.take = take;
  }
}

interface Inlet {
  take: (bytes: Buffer) => void;
}

/** A connection made by `connect`, which hands its argument to node. Rejects as that does. */
export async function openWire(connect: (onread: OnReadOpts) => Promise<Socket>): Promise<Wire> {
  const buffer = Buffer.allocUnsafeSlow(bufferSize);
  let early = false;
  const inlet: Inlet = { take: () => (early = true) };
  const callback = (length: number): boolean => {
    inlet.take(buffer.subarray(0, length));
    return true;
  };
  const socket = await connect({ buffer, callback });
  // One that is idle or destroyed may still report an error. Our half of the connection ends with the peer's.
  socket.on("error", () => {}).on("end", () => socket.destroy());
  if (early) socket.destroy();
  // For its end to be heard of.
  else socket.resume();
  return new Wire(socket, inlet);
}

export interface WirePoolOptions {
  /** Idle connections kept for each origin. */
  readonly maxIdle: number;
  /** How long one is kept, milliseconds. */
  readonly idleMs: number;
}

interface Idle {
  readonly wire: Wire;
  readonly expire: () => void;
  readonly closed: () => void;
}

/** Idle wires by origin; the one that was used last is taken first. */
export class WirePool {
  readonly open: (origin: Origin, signal: AbortSignal) => Promise<Wire>;
  readonly #options: WirePoolOptions;
  readonly #idle = new Map<string, Idle[]>();
  #closed = false;

  constructor(open: (origin: Origin, signal: AbortSignal) => Promise<Wire>, options: WirePoolOptions) {
    this.open = open;
    this.#options = options;
  }

  take(origin: Origin): Wire | undefined {
    const idle = this.#idle.get(origin.name)?.at(-1);
    if (idle === undefined) return undefined;
    this.#remove(origin, idle);
    const { socket } = idle.wire;
    socket.off("close", idle.closed).setTimeout(0, idle.expire);
    socket.ref();
    return idle.wire;
  }

  /** Takes back one whose message ended cleanly. `ms`: how long the peer keeps it, where it said so. */
  give(origin: Origin, wire: Wire, ms = Number.POSITIVE_INFINITY): void {
    const { socket } = wire;
    wire.listen();
    wire.reused = true;
    const kept = this.#idle.get(origin.name) ?? [];
    const time = Math.min(ms, this.#options.idleMs);
    if (this.#closed || socket.destroyed || kept.length >= this.#options.maxIdle || time <= 0) {
      socket.destroy();
      return;
    }
    const idle: Idle = { wire, expire: () => socket.destroy(), closed: () => this.#remove(origin, idle) };
    this.#idle.set(origin.name, kept);
    kept.push(idle);
    socket.once("close", idle.closed).setTimeout(time, idle.expire);
    // An idle connection keeps no program running.
    socket.unref();
    // Its end is to be heard of.
    socket.resume();
  }

  /** Ends the idle ones of an origin. */
  forget(origin: Origin): void {
    for (const { wire } of this.#idle.get(origin.name)?.splice(0) ?? []) wire.socket.destroy();
    this.#idle.delete(origin.name);
  }

  /** Ends the idle ones, and lets none become idle again. */
  destroy(): void {
    this.#closed = true;
    for (const kept of this.#idle.values()) for (const { wire } of kept) wire.socket.destroy();
    this.#idle.clear();
  }

  #remove(origin: Origin, idle: Idle): void {
    const kept = this.#idle.get(origin.name);
    const at = kept?.indexOf(idle) ?? -1;
    if (kept === undefined || at === -1) return;
    kept.splice(at, 1);
    if (kept.length === 0) this.#idle.delete(origin.name);
  }
}
