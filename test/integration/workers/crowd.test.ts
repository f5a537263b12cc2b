import t from "tap";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { syntheticBlob } from "../../fixtures/synthetic-blob.ts";
import { crewStage, eventually } from "./crew.ts";

t.test("a crowd at several workers costs its registry one request, and hits cost none", async (t) => {
  const { registry, clients } = await crewStage(t);
  const blob = registry.blob("library/app", syntheticBlob("crowd", 6_000_000));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const crowd = clients(12);
  for (const { digest } of await Promise.all(crowd.map((client) => client.hash(path)))) t.equal(digest, blob.digest);
  t.equal(registry.count({ kind: "blob" }), 1);
  t.equal(registry.bytesSent({ kind: "blob" }), blob.size);
  for (const { digest, cache } of await Promise.all(crowd.map((client) => client.hash(path))))
    t.match({ digest, cache }, { digest: blob.digest, cache: "HIT" });
  t.equal(registry.count({ kind: "blob" }), 1);
});

t.test("the metrics and the dashboard of any worker are those of all", async (t) => {
  const { registry, clients, proxy } = await crewStage(t);
  const blob = registry.blob("library/app", uniqueBytes(30_000));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const crowd = clients(6);
  for (const client of crowd) await client.request(path);
  const read = async (at: string): Promise<string> => (await fetch(`http://127.0.0.1:${proxy.port}${at}`)).text();
  for (let look = 0; look < 3; look += 1) {
    const metrics = await eventually(async () => {
      const text = await read("/metrics");
      return text.includes('entrepot_served_bytes_total{cache="HIT"} 150000') && text;
    });
    t.match(metrics, /^entrepot_cache_bytes 30000$/m);
    t.match(metrics, /^entrepot_build_info\{.*\} 1$/m);
    t.match(metrics, /^entrepot_first_byte_seconds_count\{kind="blob",cache="HIT"\} 5$/m);
    const dashboard = JSON.parse(await read("/dashboard.json")) as Record<string, unknown>;
    t.match(dashboard, { cache: { bytes: 30_000, entries: 1 }, totals: { exchanges: 6, hits: 5, misses: 1 } });
    t.equal((dashboard["recent"] as unknown[]).length, 6);
  }
});
