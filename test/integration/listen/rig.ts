import { connect, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { EntrepotError } from "../../../src/core/errors.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { createListener, type Listener } from "../../../src/listen/listener.ts";
import type { ListenerOptions, ListenerParts } from "../../../src/listen/types.ts";
import { createLog } from "../../../src/observe/log.ts";
import type { Trace } from "../../../src/observe/trace.ts";
import type { Exchange } from "../../../src/serve/exchange.ts";
import { testAuthority } from "../../fixtures/certificates.ts";

/** The timeouts that a test does not wait for are as long as in the field. */
const long = 60_000;

export interface Rig {
  readonly listener: Listener;
  readonly port: number;
  readonly tlsPort: number;
  readonly records: Trace[];
  readonly lines: Record<string, unknown>[];
  readonly exchanges: Exchange[];
  /** Resolves once there are so many records. */
  recorded(count?: number): Promise<Trace>;
  /** Rejects where the process no longer serves. */
  stillServes(): Promise<void>;
}

export interface RigOptions {
  readonly timeouts?: Partial<ListenerOptions["timeouts"]>;
  readonly tunnel?: Partial<ListenerOptions["tunnel"]>;
  readonly listen?: Partial<ListenerOptions>;
  readonly parts?: Partial<ListenerParts>;
}

/** A listener on loopback whose parts are small fakes: the origins are `registry.test` and `registry.test:5000`. */
export async function startRig(t: { after(hook: () => Promise<void>): void }, given: RigOptions = {}): Promise<Rig> {
  const records: Trace[] = [];
  const lines: Record<string, unknown>[] = [];
  const exchanges: Exchange[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const echo = (name: string) => async (exchange: Exchange) => {
    exchanges.push(exchange);
    const { request, response, arrival } = exchange;
    let body = "";
    for await (const chunk of request) body += String(chunk);
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ name, ...arrival, origin: arrival.origin?.name, body }));
  };
  const log = createLog({
    level: "info",
    format: "json",
    destination: { write: (line: string) => lines.push(JSON.parse(line)) },
  });
  const parts: ListenerParts = {
    intercepts: (scheme, host, port) =>
      host === "registry.test" && (port === 443 || port === 80 || port === 5000)
        ? makeOrigin(scheme, host, port)
        : undefined,
    isOwnName: (host) => host === "docker.caching.proxy.internal",
    admitsClient: () => true,
    forbidsTarget: (host) => host === "forbidden.test",
    contextFor: async (host) => testAuthority().contextFor(host),
    hotContextFor: (host) => testAuthority().contextFor(host),
    connect: async () => {
      throw new EntrepotError("UPSTREAM_UNREACHABLE", "Nothing answers there.");
    },
    registry: echo("registry"),
    forward: echo("forward"),
    own: echo("own"),
    record: (trace) => {
      records.push(trace);
      for (const { count, resolve } of waiting) if (records.length >= count) resolve();
    },
    log,
    ...given.parts,
  };
  const listener = createListener(
    {
      hosts: ["127.0.0.1"],
      ports: [0],
      tlsPorts: [0],
      tlsName: "proxy.test",
      ...given.listen,
      timeouts: { clientHeader: long, clientBody: long, send: long, keepAlive: long, ...given.timeouts },
      tunnel: { connect: long, read: long, send: long, ...given.tunnel },
    },
    parts,
  );
  const listening = await listener.start();
  t.after(() => listener.stop("now", 0));
  const port = listening.find(({ tls }) => !tls)?.port ?? 0;
  return {
    listener,
    port,
    tlsPort: listening.find(({ tls }) => tls)?.port ?? 0,
    records,
    lines,
    exchanges,
    recorded: async (count = 1) => {
      if (records.length < count) {
        await new Promise<void>((resolve) => waiting.push({ count, resolve }));
      }
      const record = records[count - 1];
      if (record === undefined) throw new Error("no such record");
      return record;
    },
    stillServes: async () => {
      const client = await dial(port);
      client.send("GET /healthz HTTP/1.1\r\nHost: proxy.test\r\nConnection: close\r\n\r\n");
      const answer = await client.ended;
      if (!answer.startsWith("HTTP/1.1 200 ")) throw new Error(`no longer serves: ${answer}`);
    },
  };
}

/** A client's side of a connection, as a dialogue. */
export interface Dialogue {
  readonly socket: Socket;
  send(text: string | Buffer): void;
  /** Everything received so far, once it matches. */
  until(pattern: RegExp): Promise<string>;
  /** Everything received, once the other side has closed or reset the connection. */
  readonly ended: Promise<string>;
}

export function converse(socket: Socket, keepOpen = false): Dialogue {
  let text = "";
  const listeners = new Set<() => void>();
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
    for (const listener of listeners) listener();
  });
  const ended = new Promise<string>((resolve) => {
    socket.once("close", () => resolve(text));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => void (keepOpen || socket.end()));
  });
  socket.resume();
  return {
    socket,
    send: (data) => void socket.write(data),
    ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(text)) return;
          listeners.delete(look);
          resolve(text);
        };
        listeners.add(look);
        socket.once("close", () => reject(new Error(`closed before ${String(pattern)}: ${text}`)));
        look();
      }),
  };
}

export async function dial(port: number): Promise<Dialogue> {
  const socket = connect({ port, host: "127.0.0.1" });
  const dialogue = converse(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return dialogue;
}

/** A connection after the 200 to a CONNECT, paused, with whatever came after it still to be read. */
export async function dialConnect(port: number, target: string): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  let received = Buffer.alloc(0);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.on("data", function look(chunk: Buffer) {
      received = Buffer.concat([received, chunk]);
      if (!received.includes("\r\n\r\n")) return;
      socket.removeListener("data", look);
      socket.pause();
      resolve();
    });
  });
  const end = received.indexOf("\r\n\r\n") + 4;
  const status = received.subarray(0, end).toString();
  if (!status.startsWith("HTTP/1.1 200 ")) throw new Error(`refused: ${status}`);
  if (end < received.length) socket.unshift(received.subarray(end));
  return socket;
}

/** TLS as a client that trusts the test's authority. */
export async function secure(socket: Socket, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const tls = connectTls({ socket, ca: testAuthority().caPem, servername: "registry.test", ...options });
  await new Promise<void>((resolve, reject) => {
    tls.once("secureConnect", resolve);
    tls.once("error", reject);
  });
  return tls;
}

/** What of an answer is JSON: the body, whether in one chunk or with a length. */
export function bodyOf(answer: string): Record<string, unknown> {
  return JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1));
}

/** The `code` of an OCI error body. */
export function codeOf(answer: string): unknown {
  const [first] = bodyOf(answer)["errors"] as { code: unknown }[];
  return first?.code;
}
