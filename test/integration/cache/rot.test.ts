import { readFileSync } from "node:fs";
import t from "tap";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { syntheticBlob } from "../../fixtures/synthetic-blob.ts";
import { clientOf, hub, stage } from "../stage.ts";
import { fileOf, flip, path } from "./files.ts";

t.setTimeout(240_000);

t.test("a large blob with a flipped bit is never served whole, nor a part of it", async (t) => {
  const { registry, proxy } = await stage(t, { env: { CACHE_MIN_FREE: "0" } });
  const content = syntheticBlob("flipped", 66 * 1024 * 1024);
  const blob = registry.blob("library/app", content);
  t.equal((await clientOf(t, proxy).hash(path(blob))).digest, blob.digest);
  await proxy.stop();
  flip(fileOf(proxy, blob), 1_000_000);
  const again = await startProxy(t, { upstreams: [registry], directory: proxy.directory });
  const client = clientOf(t, again);
  const cut = await client.hash(path(blob)).catch(() => undefined);
  t.equal(cut, undefined, "its end was held back");
  t.match(await client.hash(path(blob)), { status: 200, digest: blob.digest, cache: "MISS" });
  t.match(await client.hash(path(blob)), { status: 200, digest: blob.digest, cache: "HIT" });
  await again.stop();
  flip(fileOf(proxy, blob), 1_000_000);
  const third = await startProxy(t, { upstreams: [registry], directory: proxy.directory });
  const part = await clientOf(t, third).request(path(blob), { headers: { range: "bytes=999990-1000009" } });
  t.equal(part.status, 206);
  t.ok(part.body.equals(content.read(999_990, 20)), "the part with the bit, from the registry");
  await third.stop();
});

for (const size of ["small", "large"] as const) {
  t.test(`a ${size} manifest that was damaged is fetched anew, by whatever way it is asked for`, async (t) => {
    const registry = await startRegistry(t, { names: [hub] });
    const layers = Array.from({ length: size === "small" ? 1 : 400 }, (_, index) => Buffer.from(`layer ${index}`));
    const { digest, manifest } = registry.image({ repository: "library/app", tag: "1", layers });
    t.equal(manifest.bytes.length > 65_536, size === "large");
    const ways = ["1", digest].flatMap((reference) => [false, true].map((cached) => ({ reference, cached })));
    let directory: string | undefined;
    for (const { reference, cached } of ways) {
      const env = { ENABLE_MANIFEST_CACHE: String(cached) };
      const before = await startProxy(t, { upstreams: [registry], env, ...(directory !== undefined && { directory }) });
      directory ??= before.directory;
      const ask = async (proxy: RunningProxy) =>
        clientOf(t, proxy).request(`/v2/library/app/manifests/${reference}`, { headers: { accept: manifestAccept } });
      t.equal((await ask(before)).status, 200);
      await before.stop();
      flip(fileOf(before, { digest }), 100);
      const after = await startProxy(t, { upstreams: [registry], env, directory });
      for (let round = 0; round < 2; round += 1) {
        const { status, body } = await ask(after);
        t.equal(status, 200, `${reference} ${cached}`);
        t.ok(body.equals(manifest.bytes));
      }
      t.equal(readFileSync(fileOf(after, { digest })).compare(manifest.bytes), 0, "on disk too");
      await after.stop();
    }
  });
}

t.test("a damaged manifest is not served in an outage, and says so in an error that can be tried again", async (t) => {
  const { registry, proxy } = await stage(t, { env: { CACHE_MIN_FREE: "0" } });
  const { digest } = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(100)] });
  const manifest = "/v2/library/app/manifests/1";
  await clientOf(t, proxy).request(manifest, { headers: { accept: manifestAccept } });
  await proxy.stop();
  flip(fileOf(proxy, { digest }), 100);
  const again = await startProxy(t, { upstreams: [registry], directory: proxy.directory });
  const end = registry.fault({ kind: "manifest" }, { closeMidHeader: true });
  const client = clientOf(t, again);
  t.match(await client.request(manifest, { headers: { accept: manifestAccept } }), { status: 502 });
  end();
  t.match(await client.request(manifest, { headers: { accept: manifestAccept } }), { status: 200 });
  await again.stop();
});
