import { type IncomingMessage, request as httpRequest } from "node:http";
import { type Socket, Socket as NetSocket } from "node:net";
import type { Duplex } from "node:stream";
import { proxies } from "proxy-agent";
import { EntrepotError } from "../core/errors.ts";
import { cancelled, connectFailure } from "./failures.ts";
import type { TcpOptions } from "./tcp.ts";
import { socketOptions } from "./tcp.ts";

/** `host:port` of a proxy, without its password. */
export function proxyName(proxy: URL): string {
  return proxy.host === "" ? proxy.protocol : proxy.host;
}

/** Proxy-Authorization for the user and password of a proxy's URL (RFC 9110 §11.7.2). */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === "" && proxy.password === "") return undefined;
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

/**
 * CONNECT over a connection to an HTTP proxy (RFC 9110 §9.3.6). By node's client and not proxy-agent's, which loses what a target that
 * speaks first sends along with the proxy's 200. Rejects with UPSTREAM_UNREACHABLE.
 */
export function connectThrough(
  connection: Socket,
  proxy: URL,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const target = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const authorization = proxyAuthorization(proxy);
    const request = httpRequest({
      method: "CONNECT",
      path: target,
      setHost: false,
      headers: {
        host: target,
        connection: "keep-alive",
        "proxy-connection": "keep-alive",
        ...(authorization && { "proxy-authorization": authorization }),
      },
      createConnection: () => connection,
    });
    const fail = (error: Error) => {
      signal.removeEventListener("abort", aborted);
      connection.on("error", () => {});
      connection.destroy();
      reject(error);
    };
    const aborted = () => fail(cancelled(signal));
    signal.addEventListener("abort", aborted, { once: true });
    request.once("connect", (answer: IncomingMessage, _socket: Duplex, head: Buffer) => {
      const status = answer.statusCode ?? 0;
      if (status < 200 || status > 299) return fail(refused(proxy, host, status));
      signal.removeEventListener("abort", aborted);
      if (head.length > 0) connection.unshift(head);
      return resolve(connection);
    });
    request.once("response", (answer: IncomingMessage) => fail(refused(proxy, host, answer.statusCode ?? 0)));
    request.on("error", (error) => fail(connectFailure(error, `The egress proxy ${proxyName(proxy)}`)));
    request.end();
  });
}

function refused(proxy: URL, host: string, status: number): EntrepotError {
  const advice = status === 407 ? " Check the user and password in its URL." : "";
  return new EntrepotError(
    "UPSTREAM_UNREACHABLE",
    `The egress proxy ${proxyName(proxy)} answered ${status} to a connection to ${host}.${advice}`,
  );
}

type AgentKind = keyof typeof proxies;
type ProxyAgentClass = Awaited<ReturnType<(typeof proxies)[AgentKind][1]>>;

function isAgentKind(scheme: string): scheme is AgentKind {
  return Object.hasOwn(proxies, scheme);
}

/** Connections through SOCKS, and through whatever a PAC file says, as proxy-agent makes them. */
export function createForeignTunnels(tcp: TcpOptions, highWaterMark: number, timeoutMs: number) {
  const agents = new Map<string, Promise<InstanceType<ProxyAgentClass>>>();
  const options = socketOptions(tcp, highWaterMark);

  const agentOf = (proxy: URL) => {
    const scheme = proxy.protocol.slice(0, -1);
    if (!isAgentKind(scheme)) throw new EntrepotError("CONFIG_INVALID", "The egress proxy has an unknown scheme.");
    let agent = agents.get(proxy.href);
    if (agent === undefined) {
      agent = proxies[scheme][1]().then((Agent) => new Agent(proxy.href, { timeout: timeoutMs }));
      agents.set(proxy.href, agent);
    }
    return agent;
  };

  const open = async (proxy: URL, host: string, port: number, secure: boolean): Promise<Socket> => {
    const agent = await agentOf(proxy);
    const authority = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    // The agents want a request to ask for its URL and to tell events to; this one never gets a connection. With an Upgrade
    // they hand the tunnel out as it is, without TLS of their own.
    const request = httpRequest({
      path: `${secure ? "https" : "http"}://${authority}/`,
      headers: { host: authority, upgrade: "websocket" },
      createConnection: () => undefined,
    });
    let status = 200;
    request.on("error", () => {});
    request.once("proxyConnect", (answer: { readonly statusCode: number }) => {
      status = answer.statusCode;
    });
    const socket = await agent.connect(request, { ...options, host, port, secureEndpoint: false });
    if (socket instanceof NetSocket && status >= 200 && status <= 299) {
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      socket.allowHalfOpen = true;
      return socket;
    }
    if (socket instanceof NetSocket) socket.on("error", () => {});
    socket.destroy();
    throw refused(proxy, host, status);
  };

  /** Rejects with UPSTREAM_UNREACHABLE, UPSTREAM_UNRESOLVED or DENIED, and the signal's reason. */
  return (proxy: URL, host: string, port: number, secure: boolean, signal: AbortSignal): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const aborted = () => reject(cancelled(signal));
      if (signal.aborted) return aborted();
      signal.addEventListener("abort", aborted, { once: true });
      open(proxy, host, port, secure)
        .then(
          (socket) => {
            // One that comes after its time ends at once: the agents cannot be cancelled.
            if (signal.aborted) socket.destroy();
            else resolve(socket);
          },
          (error: unknown) => reject(connectFailure(error, `${host} through the egress proxy ${proxyName(proxy)}`)),
        )
        .finally(() => signal.removeEventListener("abort", aborted));
    });
}
