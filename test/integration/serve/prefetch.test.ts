import t from "tap";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { cacheStatus, stage, until } from "../stage.ts";

const path = "/v2/library/app/manifests/latest";
const accept = { accept: manifestAccept };
const image = {
  repository: "library/app",
  tag: "latest",
  layers: [uniqueBytes(300_000), uniqueBytes(5000)],
  index: true,
};

t.test("what a client of the platform asks for next is there when it does", async (t) => {
  const { registry, client } = await stage(t, { env: { PREFETCH: "linux/amd64" } });
  const { manifest, config, layers } = registry.image(image);
  t.match(await client.request(path, { headers: accept }), { status: 200, headers: { [cacheStatus]: "MISS" } });
  const wanted = [manifest.digest, config.digest, ...layers.map(({ digest }) => digest)];
  const ended = (digest: string): boolean =>
    registry.requests.some((seen) => seen.reference === digest && seen.ended === "finished" && seen.method === "GET");
  await until(() => wanted.every(ended));
  const blobs = registry.requests.filter(({ kind }) => kind === "blob");
  t.same([...new Set(blobs.map(({ headers }) => headers["accept"]))], ["*/*"]);
  const byDigest = `/v2/library/app/manifests/${manifest.digest}`;
  const paths = [byDigest, ...[config, ...layers].map(({ digest }) => `/v2/library/app/blobs/${digest}`)];
  for (const each of paths) t.equal((await client.request(each, { headers: accept })).status, 200);
  for (const each of paths) {
    t.equal((await client.request(each, { headers: accept })).headers[cacheStatus], "HIT");
  }
  for (const digest of wanted) t.equal(registry.count({ method: "GET", reference: digest }), 1, "fetched once");
});

t.test("not for another platform, nor without PREFETCH", async (t) => {
  for (const env of [{ PREFETCH: "linux/s390x" }, {}]) {
    const { registry, client } = await stage(t, { env });
    registry.image(image);
    t.equal((await client.request(path, { headers: accept })).status, 200);
    for (let turn = 0; turn < 300; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    t.equal(registry.count({ method: "GET" }), 1);
  }
});

t.test("with the client's own credential, and for nobody else", async (t) => {
  const mine = `Basic ${Buffer.from("me:mine").toString("base64")}`;
  const options = {
    authorize: ({ headers }: { headers: { authorization?: unknown } }) =>
      headers.authorization === mine ? undefined : 'Basic realm="r"',
  };
  const { registry, client } = await stage(t, { env: { PREFETCH: "all" }, registry: options });
  const { layers } = registry.image(image);
  const [layer] = layers.map(({ digest }) => digest);
  t.equal((await client.request(path, { headers: { ...accept, authorization: mine } })).status, 200);
  await until(() => registry.requests.some(({ reference, ended }) => reference === layer && ended === "finished"));
  const blob = `/v2/library/app/blobs/${layer}`;
  t.equal((await client.request(blob)).status, 401);
  t.equal((await client.request(blob, { headers: { authorization: mine } })).status, 200);
  t.equal(registry.count({ method: "GET", reference: layer ?? "" }), 1);
});
