import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from "node:dns";
import { type LookupFunction, type OnReadOpts, type Socket, connect as netConnect, isIP } from "node:net";
import { cancelled, connectFailure, denied } from "./failures.ts";

/** The part of dns.lookup that is used; the system's resolver unless a test brings its own. */
export type Resolve = (
  host: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface TcpOptions {
  readonly ipv4Only: boolean;
  /** Asked of every resolved address before it is connected to. */
  readonly forbids: (address: string) => boolean;
  readonly resolve?: Resolve | undefined;
}

/**
 * A lookup that yields only addresses that policy allows, so that a denied range cannot be reached through a DNS name: what was
 * checked is what is connected to. Fails with DENIED where none is left.
 */
export function guardedLookup(options: TcpOptions): LookupFunction {
  const resolve: Resolve = options.resolve ?? systemLookup;
  return (host, asked, done) => {
    resolve(host, { ...asked, ...(options.ipv4Only && { family: 4 }), all: true }, (error, addresses) => {
      if (error) return done(error, []);
      const allowed = addresses.filter(({ address }) => !options.forbids(address));
      const [first] = allowed;
      if (first === undefined) return done(denied(host), []);
      return asked.all === true ? done(null, allowed) : done(null, first.address, first.family);
    });
  };
}

/** Options of net.connect that every connection of ours has. */
export function socketOptions(options: TcpOptions, highWaterMark: number) {
  return {
    allowHalfOpen: true,
    autoSelectFamily: !options.ipv4Only,
    // node ends an attempt before it starts the next (RFC 8305 lets them race), so that 250 ms would cut off far-away peers.
    autoSelectFamilyAttemptTimeout: 500,
    ...(options.ipv4Only && { family: 4 }),
    highWaterMark,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    lookup: guardedLookup(options),
    noDelay: true,
  };
}

/**
 * A TCP connection, half-open allowed. Rejects with UPSTREAM_UNRESOLVED, UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT or DENIED, and with the
 * signal's reason; it has no time limit of its own.
 */
export function openTcp(
  host: string,
  port: number,
  options: TcpOptions,
  highWaterMark: number,
  signal: AbortSignal,
  onread?: OnReadOpts,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(cancelled(signal));
    if (isIP(host) !== 0 && options.forbids(host)) return reject(denied(host));
    const socket = netConnect({ ...socketOptions(options, highWaterMark), host, port, ...(onread && { onread }) });
    settleSocket(socket, "connect", (error) => connectFailure(error, host), signal, resolve, reject);
  });
}

/** Resolves with the socket at its event, else destroys it and rejects; leaves no listener behind. */
export function settleSocket<S extends Socket>(
  socket: S,
  event: "connect" | "secureConnect",
  map: (error: unknown) => Error,
  signal: AbortSignal,
  resolve: (socket: S) => void,
  reject: (error: Error) => void,
): void {
  const settle = () => {
    signal.removeEventListener("abort", aborted);
    socket.off(event, ready).off("error", failed).off("close", closed);
  };
  const fail = (error: Error) => {
    settle();
    // A destroyed socket may still report an error, which nobody waits for any more.
    socket.on("error", () => {});
    socket.destroy();
    reject(error);
  };
  const ready = () => {
    settle();
    resolve(socket);
  };
  const failed = (error: unknown) => fail(map(error));
  const closed = () => fail(map(undefined));
  const aborted = () => fail(cancelled(signal));
  signal.addEventListener("abort", aborted, { once: true });
  socket.once(event, ready).once("error", failed).once("close", closed);
}
