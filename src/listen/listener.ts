import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { systemClock } from "../core/clock.ts";
import { asEntrepotError, EntrepotError } from "../core/errors.ts";
import type { Exchange } from "../serve/exchange.ts";
import { answerTo, type ClientError } from "./client-error.ts";
import { handleConnect } from "./connect.ts";
import { type Connection, Connections } from "./connection.ts";
import { createDistrustWarning } from "./distrust.ts";
import { awaitConnect, ConnectTargets } from "./fast-connect.ts";
import { handleIdle, idleInterval } from "./idle.ts";
import { acceptTls, intercept, type InterceptNeeds } from "./intercept.ts";
import { Lane, type LaneNeeds } from "./lane.ts";
import { refusalTrace, refuseResponse, refuseSocket } from "./refuse.ts";
import { handleRequest, type RequestNeeds } from "./requests.ts";
import { InheritedSockets } from "./inherited.ts";
import { type OpenSocket, openSockets } from "./sockets.ts";
import { tunnel } from "./tunnel.ts";
import type { Inherited, Listening, ListenerOptions, ListenerParts } from "./types.ts";

export interface Listener {
  /** Opens every address and port, or rejects with CONFIG_INVALID that names the option. A worker listens on what it inherited instead. */
  start(inherited?: Inherited): Promise<Listening[]>;
  /** A worker takes the connections of these queues too. */
  adopt(queues: readonly number[]): Promise<void>;
  /**
   * "drain": no new connections or exchanges, running ones and tunnels end by themselves for `limit` milliseconds, then whatever is
   * left is cut. "now": cut at once. "retire": no new connections; those that there are get one more answer each, as they ask for it within
   * a grace, before they are drained: another process takes the new ones, and nobody is to lose a request for it. Resolves when the last connection is closed; a second call may shorten the first.
   */
  stop(how: "drain" | "now" | "retire", limit: number): Promise<void>;
  /** Open connections of clients, idle ones too. */
  connections(): number;
  /** Blind tunnels, those being dialled too. */
  tunnels(): number;
}

/** Milliseconds for which a connection that is to be given up may still ask. */
const longestGrace = 10_000;

/** Bytes of a request's header, as Node's parser counts them. */
const maxHeaderBytes = 32 * 1024;

/** Bytes: large enough that a writer of 256 KiB pieces is told to wait once a piece, small enough for 1,000 slow clients. */
const highWaterMark = 256 * 1024;

/** The rim of the program: every byte of a client comes in here, over whichever door, and leaves as an Exchange or a tunnel. */
export function createListener(options: ListenerOptions, parts: ListenerParts): Listener {
  const { timeouts } = options;
  const connections = new Connections();
  const running = new Set<Exchange>();
  let open: OpenSocket[] = [];
  let inherited: InheritedSockets | undefined;
  let stopping = false;
  let retiring = false;
  const isStopping = (): boolean => stopping;

  const http = createHttpServer(options);
  const requestNeeds: RequestNeeds = {
    parts,
    running,
    isStopping,
    keepsAlive: () => timeouts.keepAlive > 0 && !retiring,
  };
  const { hot } = parts;
  const toHttp = (socket: Socket): boolean => http.emit("connection", socket);
  const laneNeeds: LaneNeeds | undefined =
    hot !== undefined && timeouts.keepAlive > 0
      ? { timeouts, hot, record: parts.record, isStopping, isLeaving: () => stopping || retiring, serve: toHttp }
      : undefined;
  const serve = (socket: TLSSocket, connection: Connection): void => {
    const origin = connection.intercepted?.origin;
    if (laneNeeds === undefined || origin === undefined) toHttp(socket);
    else void new Lane(connection, socket, origin, laneNeeds);
  };
  const interceptNeeds: InterceptNeeds = {
    options,
    parts,
    connections,
    highWaterMark,
    serve,
    warnOfDistrust: createDistrustWarning(parts.log, options.clock ?? systemClock),
  };
  const connectNeeds = { interceptNeeds, targets: new ConnectTargets(parts), isStopping, serve: toHttp };
  const tunnelNeeds = { limits: options.tunnel, parts, isStopping };

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connections.of(request.socket);
    if (connection === undefined) request.socket.destroy();
    else handleRequest(request, response, connection, requestNeeds);
  };
  http.on("request", onRequest);
  // The handler says 100 when it is ready for the body, or answers without one.
  http.on("checkContinue", onRequest);
  http.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    const connection = connections.of(request.socket);
    if (connection === undefined) return;
    const error = new EntrepotError("BAD_REQUEST", "The only expectation known here is 100-continue.", { status: 417 });
    parts.record(refusalTrace(connection, error, { door: "origin", method: request.method ?? "-" }));
    refuseResponse(request, response, error);
  });
  http.on("connect", (request: IncomingMessage, _stream: Duplex, head: Buffer) => {
    const connection = connections.of(request.socket);
    if (connection === undefined) return;
    void handleConnect(request, head, connection, parts, {
      isStopping,
      intercept: (from, target, first) => intercept(from, target, first, interceptNeeds),
      tunnel: (from, target, first) => tunnel(from, target, first, tunnelNeeds),
    });
  });
  http.on("clientError", (error: ClientError, stream: Duplex) => {
    const connection = connections.of(stream);
    if (connection === undefined) stream.destroy();
    else handleClientError(error, connection, options, parts);
  });
  http.on("timeout", (socket: Socket) => {
    const connection = connections.of(socket);
    if (connection === undefined) socket.destroy();
    else handleIdle(connection, timeouts);
  });

  let closed: (() => void) | undefined;
  function onRawClose(this: Socket): void {
    connections.close(this);
    if (connections.size === 0) closed?.();
  }
  const accept = (socket: Socket, tls: boolean): void => {
    const connection = connections.open(socket);
    socket.once("close", onRawClose);
    if (tls) void acceptTls(connection, interceptNeeds);
    else awaitConnect(connection, connectNeeds);
  };

  const cut = (): void => {
    for (const connection of connections) {
      connection.closing = true;
      connection.raw.destroy();
    }
  };
  const closeServers = async (): Promise<void> => {
    const closing = open.map(({ server }) => new Promise<void>((resolve) => server.close(() => resolve())));
    await Promise.all([...closing, inherited?.close()]);
  };
  const retire = async (grace: number): Promise<void> => {
    retiring = true;
    for (const exchange of running) exchange.response.shouldKeepAlive = false;
    void closeServers();
    if (connections.size === 0) return;
    const over = Promise.withResolvers<void>();
    closed = over.resolve;
    const timer = setTimeout(over.resolve, grace);
    hurry = over.resolve;
    await over.promise;
    clearTimeout(timer);
  };
  let hurry: (() => void) | undefined;
  let stopped: Promise<void> | undefined;
  const drain = async (): Promise<void> => {
    for (const exchange of running) exchange.response.shouldKeepAlive = false;
    for (const connection of connections) {
      if (connection.running > 0 || connection.tunnelling) continue;
      connection.closing = true;
      connection.socket.destroySoon();
    }
    const servers = closeServers();
    if (connections.size > 0) await new Promise<void>((resolve) => (closed = resolve));
    await servers;
    // Ends its timer; it listens to nothing itself.
    http.close();
  };

  return {
    start: async (given) => {
      if (given !== undefined) {
        inherited = new InheritedSockets(given, { highWaterMark, accept });
        return await inherited.start();
      }
      const { hosts, ports, tlsPorts = [] } = options;
      open = await openSockets({ hosts, ports, tlsPorts, highWaterMark, accept }, parts.log);
      return open.map(({ listening }) => listening);
    },
    adopt: async (queues) => await inherited?.adopt(queues),
    stop: async (how, limit) => {
      if (how === "retire" && !stopping && !retiring) await retire(Math.min(limit, longestGrace));
      else hurry?.();
      stopping = true;
      stopped ??= drain();
      const timer = setTimeout(cut, limit);
      if (how === "now") cut();
      await stopped;
      clearTimeout(timer);
    },
    connections: () => connections.size,
    tunnels: () => [...connections].filter((connection) => connection.tunnelling).length,
  };
}

function createHttpServer(options: ListenerOptions): Server {
  const { timeouts } = options;
  const http = createServer({
    maxHeaderSize: maxHeaderBytes,
    insecureHTTPParser: false,
    // Ours says why, and is logged.
    requireHostHeader: false,
    headersTimeout: timeouts.clientHeader,
    // A layer of several GiB takes as long as it takes; a body that stands still has a limit of its own.
    requestTimeout: 0,
    keepAliveTimeout: timeouts.keepAlive,
    optimizeEmptyRequests: true,
    connectionsCheckingInterval: Math.max(20, Math.min(5000, timeouts.clientHeader / 4)),
  });
  // Node drops fields over its limit without a word; ours refuses the request.
  http.maxHeadersCount = 0;
  http.timeout = idleInterval(timeouts);
  // Sockets are handed to it, and it looks for headers that take too long only once it believes that it listens.
  http.emit("listening");
  return http;
}

function handleClientError(
  error: ClientError,
  connection: Connection,
  options: ListenerOptions,
  parts: ListenerParts,
): void {
  // The parser repeats itself for every further piece of what it has given up.
  if (connection.closing) return;
  const { socket, newest } = connection;
  const answer = answerTo(error, { header: options.timeouts.clientHeader, headerBytes: maxHeaderBytes });
  // A connection on which nothing ever came is closed as it is: health checks and preconnecting clients make them.
  if (answer === undefined || (answer.code === "REQUEST_TIMEOUT" && socket.bytesRead === 0)) {
    socket.destroy();
    return;
  }
  if (newest !== undefined && !newest.request.complete && !newest.response.writableFinished) {
    // The body of an exchange that runs: it is that exchange's failure, and its line in the log.
    newest.trace.error ??= answer.code;
    newest.trace.problem ??= answer.message;
    connection.closing = true;
    if (newest.response.headersSent) socket.destroy();
    else refuseResponse(newest.request, newest.response, asEntrepotError(answer));
    return;
  }
  parts.record(refusalTrace(connection, answer, { door: connection.intercepted === undefined ? "origin" : "connect" }));
  // An earlier answer is still being written; another cannot be put into the middle of it.
  if (connection.running > 0) {
    connection.closing = true;
    socket.destroy();
  } else refuseSocket(connection, socket, answer);
}
