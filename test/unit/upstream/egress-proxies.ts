import { type IncomingMessage, createServer, request as httpRequest } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type Socket, connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Test } from "tap";
import { type Pair, type Running, serve, serveBytes } from "./tls-server.ts";

/** Egress proxies that know every name as this machine, and remember what they were asked. */

export interface EgressProxy extends Running {
  /** `CONNECT host:port`, or the method and absolute URL of a plain request. */
  readonly seen: string[];
  /** Proxy-Authorization of each. */
  readonly authorizations: (string | undefined)[];
}

export interface HttpProxyOptions {
  /** Over TLS. */
  readonly pair?: Pair;
  /** Answers CONNECT with this status. */
  readonly refuse?: number;
}

/** An HTTP proxy: CONNECT and the absolute form. */
export async function serveHttpProxy(t: Test, options: HttpProxyOptions = {}): Promise<EgressProxy> {
  const seen: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const note = (message: IncomingMessage) => {
    seen.push(`${message.method} ${message.url}`);
    authorizations.push(message.headers["proxy-authorization"]);
  };
  const server = options.pair === undefined ? createServer() : createHttpsServer(options.pair);
  server.on("connect", (message: IncomingMessage, client: Duplex, head: Buffer) => {
    note(message);
    if (options.refuse !== undefined)
      return void client.end(`HTTP/1.1 ${options.refuse} No\r\ncontent-length: 0\r\n\r\n`);
    const target = connect({ port: Number(message.url?.split(":").at(-1)), host: "127.0.0.1" });
    let greeted = false;
    // The first bytes of a target that speaks first come in one piece with the answer.
    const greet = (first: Buffer) => {
      if (greeted) return;
      greeted = true;
      client.write(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\n\r\n"), first]));
      target.write(head);
      target.pipe(client).pipe(target);
    };
    target.once("connect", () => setTimeout(greet, 20, Buffer.alloc(0)));
    target.once("data", greet);
    target.on("error", () => client.destroy());
    client.on("error", () => target.destroy());
  });
  server.on("request", (message: IncomingMessage, response) => {
    note(message);
    const url = new URL(message.url ?? "");
    const onward = httpRequest({ host: "127.0.0.1", port: url.port, path: url.pathname, headers: message.headers });
    onward.on("response", (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 0, answer.headers)));
    onward.end();
  });
  return { ...(await serve(t, server)), seen, authorizations };
}

/** SOCKS5 with names and addresses, no authentication (RFC 1928). */
export async function serveSocks(t: Test, reply = 0): Promise<EgressProxy> {
  const seen: string[] = [];
  const running = await serveBytes(
    t,
    (client: Socket) => {
      client.once("data", () => {
        client.write(Buffer.from([5, 0]));
        client.once("data", (asked: Buffer) => {
          const named = asked[3] === 3;
          const length = named ? 1 + (asked[4] ?? 0) : 4;
          const host = named ? asked.toString("latin1", 5, 4 + length) : asked.subarray(4, 8).join(".");
          const port = asked.readUInt16BE(4 + length);
          seen.push(`CONNECT ${host}:${port}`);
          const answer = Buffer.from([5, reply, 0, 1, 127, 0, 0, 1, 0, 0]);
          if (reply !== 0) return void client.end(answer);
          const target = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
            client.write(answer);
            client.pipe(target).pipe(client);
          });
          target.on("error", () => client.destroy());
          client.on("error", () => target.destroy());
        });
      });
    },
    true,
  );
  return { ...running, seen, authorizations: [] };
}
