import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../core/clock.ts";
import { EntrepotError } from "../core/errors.ts";
import { type HttpEvent, type RedactedEvent, redactEvent } from "../observe/redact.ts";
import { inspectorPage, inspectorPolicy } from "./inspector-page.ts";

export interface InspectorOptions {
  /** What the page shows, e.g. "Clients' side". */
  readonly title: string;
  readonly hosts: readonly string[];
  readonly port: number;
  readonly clock: Clock;
  /** Events that are kept. Default 200. */
  readonly limit?: number;
}

export interface InspectedEvent extends RedactedEvent {
  readonly number: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** DEBUG and DEBUG_HUB: a page of its own port with the last requests and answers, their headers redacted. */
export interface Inspector {
  /** Redacts at once: what is kept holds no secret. Never throws. */
  add(event: HttpEvent): void;
  /** Newest first. */
  list(): InspectedEvent[];
  /** Opens its port on each host, and resolves with what it listens on. Rejects with CONFIG_INVALID. */
  start(): Promise<AddressInfo[]>;
  stop(): Promise<void>;
}

export function createInspector(options: InspectorOptions): Inspector {
  const limit = options.limit ?? 200;
  const ring: InspectedEvent[] = [];
  const servers: Server[] = [];
  let added = 0;
  const list = (): InspectedEvent[] => ring.toSorted((one, other) => other.number - one.number);

  async function stop(): Promise<void> {
    await Promise.all(
      servers.splice(0).map(async (server) => {
        server.close();
        server.closeAllConnections();
        if (server.listening) await once(server, "close");
      }),
    );
  }

  async function start(): Promise<AddressInfo[]> {
    try {
      for (const host of options.hosts) {
        const server = createServer((request, response) => answer(request, response, options.title, list));
        servers.push(server);
        server.listen({ host, port: options.port, ipv6Only: host.includes(":") });
        await once(server, "listening");
      }
    } catch (cause) {
      await stop();
      throw new EntrepotError("CONFIG_INVALID", `The inspector page cannot listen on port ${options.port}.`, { cause });
    }
    return servers
      .map((server) => server.address())
      .filter((address) => address !== null && typeof address === "object");
  }

  return {
    add: (event) => {
      ring[added % limit] = { ...redactEvent(event), number: added + 1, at: options.clock.now() };
      added++;
    },
    list,
    start,
    stop,
  };
}

function answer(request: IncomingMessage, response: ServerResponse, title: string, list: () => InspectedEvent[]): void {
  const always = { "cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };
  const text = { ...always, "content-type": "text/plain; charset=utf-8" };
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { ...text, allow: "GET, HEAD" }).end("This page is for GET and HEAD alone.\n");
  } else if (request.url === "/") {
    const html = { "content-type": "text/html; charset=utf-8", "content-security-policy": inspectorPolicy };
    response.writeHead(200, { ...always, ...html }).end(inspectorPage(title, list()));
  } else if (request.url === "/events.json") {
    response.writeHead(200, { ...always, "content-type": "application/json" }).end(JSON.stringify(list()));
  } else {
    response.writeHead(404, text).end("There is / and /events.json here.\n");
  }
}
