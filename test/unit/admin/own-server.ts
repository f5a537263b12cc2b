import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Test } from "tap";
import { type AdminParts, createAdmin } from "../../../src/admin/routes.ts";
import type { DashboardData } from "../../../src/admin/dashboard-data.ts";
import { createNamedUrl } from "../../../src/front/public-url.ts";
import { type Arrival, Exchange, type Handler } from "../../../src/serve/exchange.ts";

export const emptyData: DashboardData = {
  version: "1.2.3",
  now: 0,
  uptime: 0,
  cache: { bytes: 0, maximum: 1, entries: 0 },
  activity: { connections: 0, tunnels: 0, flights: 0 },
  totals: { exchanges: 0, hits: 0, misses: 0, servedBytes: 0, fetchedBytes: 0, tunnels: 0, origins: [] },
  fronts: [],
  recent: [],
};

export function adminWith(parts: Partial<AdminParts>): Handler {
  return createAdmin({
    rootPem: "the root\n",
    isOwnName: (host) => host === "docker.caching.proxy.internal",
    namedUrl: createNamedUrl(() => false),
    ready: () => ({ ok: true, problems: [] }),
    metrics: { contentType: "text/plain; version=0.0.4", text: async () => "entrepot_x 1\n" },
    snapshot: () => emptyData,
    ...parts,
  });
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Own {
  readonly port: number;
  readonly exchanges: Exchange[];
  ask(path: string, method?: string, headers?: Record<string, string>): Promise<Answer>;
}

/** Our own endpoints behind a real server, as `listen` hands them over. */
export async function serveOwn(t: Test, handler: Handler, door: Arrival["door"] = "origin"): Promise<Own> {
  const exchanges: Exchange[] = [];
  const server = createServer((incoming, response) => {
    const arrival = { door, origin: undefined, target: incoming.url ?? "", client: "127.0.0.1" };
    const exchange = new Exchange(incoming, response, arrival);
    exchanges.push(exchange);
    void handler(exchange);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    exchanges,
    ask: async (path, method = "GET", headers = {}) => {
      const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }).end();
      const [answer] = await once(sent, "response");
      return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
    },
  };
}
