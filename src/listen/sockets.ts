import { createServer, type Server, type Socket } from "node:net";
import { EntrepotError } from "../core/errors.ts";
import type { Log } from "../observe/log.ts";
import type { Listening } from "./types.ts";

/** A server's sockets before they are listened on. */
export interface SocketPlan {
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  readonly tlsPorts: readonly number[];
  /** Bytes that Node keeps of each connection in each direction before it tells the other end to wait. */
  readonly highWaterMark: number;
  accept(socket: Socket, tls: boolean): void;
}

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
export async function openSockets(plan: SocketPlan, log: Log, open: OpenOne = openSocket): Promise<OpenSocket[]> {
  const wanted = [
    ...plan.ports.flatMap((port) => plan.hosts.map((host) => ({ host, port, tls: false }))),
    ...plan.tlsPorts.flatMap((port) => plan.hosts.map((host) => ({ host, port, tls: true }))),
  ];
  const opened: OpenSocket[] = [];
  try {
    let skipped: EntrepotError | undefined;
    for (const place of wanted) {
      const socket = await open(plan, place).catch((thrown: unknown) => thrown as NodeJS.ErrnoException);
      if (!(socket instanceof Error)) {
        opened.push(socket);
        continue;
      }
      const error = bindError(socket.code ?? "unknown", place);
      if (place.host !== "::" || !lacksIPv6(socket)) throw error;
      skipped = error;
      log.warn({ ...place, code: socket.code }, "this machine has no IPv6: listening on the other addresses only");
    }
    if (opened.length > 0) return opened;
    throw skipped ?? new EntrepotError("CONFIG_INVALID", "HOST and PORT name nothing to listen on.");
  } catch (thrown) {
    for (const { server } of opened) server.close();
    throw thrown;
  }
}

/** A machine without IPv6 still has the other of the default hosts. */
function lacksIPv6(error: NodeJS.ErrnoException): boolean {
  return error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL";
}

async function openSocket(plan: SocketPlan, place: Place): Promise<OpenSocket> {
  const { host, port, tls } = place;
  const server = createServer(
    // A client that has said all it will may still be answered through a tunnel.
    { allowHalfOpen: true, noDelay: true, highWaterMark: plan.highWaterMark },
    (socket) => plan.accept(socket, tls),
  );
  const ipv6Only = host === "::" && plan.hosts.includes("0.0.0.0");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ host, port, ipv6Only, backlog }, resolve);
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
