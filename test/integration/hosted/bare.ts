import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type Hosted, type HostedOptions, openHosted } from "../../../src/hosted/hosted.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { createLog } from "../../../src/observe/log.ts";
import { Exchange } from "../../../src/serve/exchange.ts";
import { RegistryClient } from "./client.ts";

export interface Bare {
  readonly hosted: Hosted;
  readonly client: RegistryClient;
  stop(): Promise<void>;
}

/** The registry alone behind a server of Node's, without the proxy around it. */
export async function startBare(options: Partial<HostedOptions> & { readonly storage: string }): Promise<Bare> {
  const log = createLog({ level: "silent", format: "json" });
  const hosted = await openHosted({
    uploadTtl: 3_600_000,
    gcInterval: 0,
    gcGrace: 0,
    clock: systemClock,
    log,
    ...options,
  });
  const server = createServer((request, response) => {
    request.on("error", () => undefined);
    const target = request.url ?? "/";
    void hosted.handler(
      new Exchange(request, response, { door: "origin", origin: undefined, target, client: "127.0.0.1" }),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new RegistryClient((server.address() as AddressInfo).port);
  return {
    hosted,
    client,
    async stop() {
      client.close();
      await hosted.close();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
