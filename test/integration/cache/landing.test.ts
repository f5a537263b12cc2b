import { setImmediate } from "node:timers/promises";
import t from "tap";
import { startProxy } from "../../fixtures/proxy.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";

const host = "registry-1.docker.io";

/** Turns of the loop over which the clients of a blob come: those of a few milliseconds, in which it lands. */
const turns = 1500;

t.test("who comes while content lands is served without asking for it again, by whatever process", async (t) => {
  const registry = await startRegistry(t, { names: [host] });
  const proxy = await startProxy(t, { upstreams: [registry] });
  const blobs = Array.from({ length: 150 }, () => registry.blob("library/app", uniqueBytes(2000)));
  const clients = Array.from({ length: 8 }, () => proxy.client(host));
  for (const [round, { digest }] of blobs.entries()) {
    const pull = async (client: ProxyClient, place: number): Promise<void> => {
      for (let turn = (place * 370 + round * 110) % turns; turn > 0; turn -= 1) await setImmediate();
      const { status, body } = await client.request(`/v2/library/app/blobs/${digest}`);
      if (status !== 200 || body.length !== 2000) t.fail(`${status}, ${body.length} bytes`);
    };
    await Promise.all(clients.map(pull));
  }
  for (const client of clients) client.close();
  t.equal(registry.count({ kind: "blob", method: "GET" }), blobs.length, "each blob once");
  t.equal(registry.count({ kind: "blob", method: "HEAD" }), 0, "and nothing else of blobs");
});
