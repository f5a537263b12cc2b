import { createServer, type Server, Socket } from "node:net";
import { EntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";
import type { Listening } from "./types.ts";

/** What is to be listened on. */
export interface Addresses {
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  readonly tlsPorts: readonly number[];
}

/** What becomes of connections. */
export interface Acceptance {
  /** Bytes that Node keeps of each connection in each direction before it tells the other end to wait. */
  readonly highWaterMark: number;
  accept(socket: Socket, tls: boolean): void;
}

/** A server's sockets before they are listened on. */
export interface SocketPlan extends Addresses, Acceptance {}

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface OpenSocket {
  readonly server: Server;
  readonly listening: Listening;
}

/** Opens one; rejects with the system's error. */
export type OpenOne = (plan: SocketPlan, place: Place) => Promise<OpenSocket>;

/** As many connections as may wait to be accepted: a cluster of nodes comes back all at once. The kernel has its own limit. */
const backlog = 4096;

/** Opens every address and port, or none. Rejects with CONFIG_INVALID that names the option. */
export function openSockets(plan: SocketPlan, log: Log, open: OpenOne = openSocket): Promise<OpenSocket[]> {
  return openPlaces(
    plan,
    log,
    (place) => open(plan, place),
    ({ server }) => server.close(),
  );
}

/** The same for whatever is opened at a place. */
export async function openPlaces<T extends object>(
  { hosts, ports, tlsPorts }: Addresses,
  log: Log,
  open: (place: Place) => Promise<T>,
  close: (opened: T) => void,
): Promise<T[]> {
  const wanted = [
    ...ports.flatMap((port) => hosts.map((host) => ({ host, port, tls: false }))),
    ...tlsPorts.flatMap((port) => hosts.map((host) => ({ host, port, tls: true }))),
  ];
  const opened: T[] = [];
  try {
    let skipped: EntrepotError | undefined;
    for (const place of wanted) {
      const made = await open(place).catch((thrown: unknown) => thrown as NodeJS.ErrnoException);
      if (!(made instanceof Error)) {
        opened.push(made);
        continue;
      }
      const error = bindError(made.code ?? "unknown", place);
      if (place.host !== "::" || !lacksIPv6(made)) throw error;
      skipped = error;
      log.warn({ ...place, code: made.code }, "this machine has no IPv6: listening on the other addresses only");
    }
    if (opened.length > 0) return opened;
    throw skipped ?? new EntrepotError("CONFIG_INVALID", "HOST and PORT name nothing to listen on.");
  } catch (thrown) {
    for (const one of opened) close(one);
    throw thrown;
  }
}

/** A machine without IPv6 still has the other of the default hosts. */
function lacksIPv6(error: NodeJS.ErrnoException): boolean {
  return error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL";
}

/** Whether `::` is to leave IPv4 to another socket. */
export function isIPv6Only(host: string, hosts: readonly string[]): boolean {
  return host === "::" && hosts.includes("0.0.0.0");
}

function openSocket(plan: SocketPlan, { host, port, tls }: Place): Promise<OpenSocket> {
  const ipv6Only = isIPv6Only(host, plan.hosts);
  return listen(plan, tls, (server) => server.listen({ host, port, ipv6Only, backlog }));
}

/** Listens on a socket that was bound by another process, and is this one's from now on. */
export function listenOn(plan: Acceptance, fd: number, tls: boolean): Promise<OpenSocket> {
  // A descriptor itself would be looked for in the primary: node:cluster asks it, except for what is a socket already.
  return listen(plan, tls, (server) => server.listen(new Socket({ fd }), backlog));
}

async function listen(plan: Acceptance, tls: boolean, begin: (server: Server) => void): Promise<OpenSocket> {
  const server = createServer(
    // A client that has said all it will may still be answered through a tunnel.
    { allowHalfOpen: true, noDelay: true, highWaterMark: plan.highWaterMark },
    (socket) => plan.accept(socket, tls),
  );
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.once("listening", resolve);
  begin(server);
  await promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new EntrepotError("INTERNAL", "A server without a port.");
  return { server, listening: { address: address.address, port: address.port, tls } };
}

function bindError(code: string, place: Place): EntrepotError {
  const { host, port, tls } = place;
  const option = tls ? "TLS_PORT" : "PORT";
  switch (code) {
    case "EADDRINUSE":
      return new EntrepotError(
        "CONFIG_INVALID",
        `${option}: ${port} on ${host} is taken by another program; choose another port.`,
      );
    case "EACCES":
      return new EntrepotError(
        "CONFIG_INVALID",
        `${option}: ${port} on ${host} needs privileges; choose a port of 1024 or more.`,
      );
    case "EAFNOSUPPORT":
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new EntrepotError("CONFIG_INVALID", `HOST: ${host} is no address of this machine (${code}).`);
    default:
      return new EntrepotError("CONFIG_INVALID", `HOST or ${option}: cannot listen on ${host} port ${port} (${code}).`);
  }
}
