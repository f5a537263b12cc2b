import t from "tap";
import { gate } from "../../fixtures/gate.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { syntheticBlob } from "../../fixtures/synthetic-blob.ts";
import { cacheStatus, stage } from "../stage.ts";

const headers = { accept: manifestAccept };

t.test("HEAD says what GET says, cold and warm, and never becomes one", async (t) => {
  const { registry, client } = await stage(t);
  const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(4000)] });
  const [layer] = image.layers;
  const length = image.manifest.bytes.length;
  const cases: [path: string, digest: string, size: number, warm: string][] = [
    [`/v2/library/app/blobs/${layer?.digest}`, layer?.digest ?? "", 4000, "HIT"],
    [`/v2/library/app/manifests/${image.digest}`, image.digest, length, "HIT"],
    ["/v2/library/app/manifests/1", image.digest, length, "REVALIDATED"],
  ];
  for (const [path, digest, size, warm] of cases) {
    const ask = async (method: string): Promise<unknown[]> => {
      const { status, headers: got, body } = await client.request(path, { method, headers });
      const expected = method === "HEAD" ? 0 : size;
      t.equal(body.length, expected, `${method} ${path}: its body`);
      return [status, got["docker-content-digest"], got["content-length"], got["content-type"], got[cacheStatus]];
    };
    registry.forget();
    const cold = await ask("HEAD");
    t.same([cold[0], cold[1], cold[2], cold[4]], [200, digest, String(size), "MISS"], `cold ${path}`);
    t.equal(registry.count({ method: "GET" }), 0);
    await ask("GET");
    registry.forget();
    const head = await ask("HEAD");
    t.same([head[0], head[1], head[2], head[4]], [200, digest, String(size), warm], `warm ${path}`);
    t.same(await ask("GET"), head, "as a GET");
    t.equal(registry.count({ method: "GET" }), 0);
    t.equal(registry.count({ method: "HEAD" }), warm === "HIT" ? 0 : 2);
  }
});

t.test("a HEAD of what is on its way is answered from the transfer", async (t) => {
  const { registry, proxy, client } = await stage(t);
  const blob = registry.blob("library/app", syntheticBlob("head of a flight", 2_000_000));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  const rest = gate();
  registry.fault({ method: "GET" }, { stall: { after: 500_000, until: rest } });
  const leader = proxy.client("registry-1.docker.io");
  const pull = leader.open(path);
  const response = await pull;
  const head = await client.request(path, { method: "HEAD" });
  t.match(head, { status: 200, headers: { "content-length": "2000000", "docker-content-digest": blob.digest } });
  t.equal(registry.count({ method: "HEAD" }), 0);
  rest.open();
  response.resume();
  await new Promise((resolve) => response.once("end", resolve));
  leader.close();
});

t.test("a HEAD of what is not there is the registry's refusal, without a body", async (t) => {
  const { client } = await stage(t);
  for (const path of [`/v2/library/app/blobs/sha256:${"0".repeat(64)}`, "/v2/library/app/manifests/none"]) {
    const head = await client.request(path, { method: "HEAD", headers });
    t.equal(head.status, 404, path);
    t.equal(head.body.length, 0);
    t.ok(head.complete);
  }
});

t.test("conditions of a HEAD", async (t) => {
  const { registry, client } = await stage(t);
  const blob = registry.blob("library/app", uniqueBytes(3000));
  const path = `/v2/library/app/blobs/${blob.digest}`;
  await client.request(path);
  const same = { "if-none-match": `"${blob.digest}"` };
  t.equal((await client.request(path, { method: "HEAD", headers: same })).status, 304);
  const ranged = await client.request(path, { method: "HEAD", headers: { range: "bytes=0-9" } });
  t.match(ranged, { status: 200, headers: { "content-length": "3000" } }, "a Range has no meaning in it");
});
