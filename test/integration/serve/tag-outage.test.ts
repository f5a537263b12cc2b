import t, { type Test } from "tap";
import { manifestMediaTypes } from "../../../src/core/media-types.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { type FixtureRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import type { Image } from "../../fixtures/registry-content.ts";
import { cacheStatus, MovableClock, stage } from "../stage.ts";

const [ociIndex, ociManifest, list, schema2, schema1] = manifestMediaTypes;
const clients = {
  dockerd: [schema2, list, ociIndex, ociManifest, schema1, "application/json"].join(", "),
  containerd: [schema2, list, ociManifest, ociIndex, "*/*"].join(", "),
  skopeo: [...manifestMediaTypes].join(", "),
  old: schema2,
};
type Client = keyof typeof clients;

/** An index of Docker's own types, of which who takes no index is sent the one manifest. */
function listOf(registry: FixtureRegistry, tag: string): Image {
  const layers = [uniqueBytes(1000)];
  const image = registry.image({ repository: "library/app", tag, layers, index: true, docker: true });
  if (image.index === undefined) throw new Error("No index.");
  registry.content.tag("library/app", tag, image.index, image.manifest);
  return image;
}

async function ask(client: ProxyClient, as: Client, method = "GET") {
  const path = "/v2/library/app/manifests/1";
  const { status, headers, body } = await client.request(path, { method, headers: { accept: clients[as] } });
  return { status, digest: headers["docker-content-digest"], cache: headers[cacheStatus], bytes: body.length };
}

async function warmed(t: Test, by: Client) {
  const { registry, client } = await stage(t);
  const image = listOf(registry, "1");
  await ask(client, by);
  return { registry, client, image };
}

for (const fault of [{ status: 503 }, { status: 429 }, { closeMidHeader: true }]) {
  t.test(`in an outage (${JSON.stringify(fault)}) one client goes by what another one was sent`, async (t) => {
    const { registry, client, image } = await warmed(t, "dockerd");
    const { digest, index } = image;
    registry.fault({ kind: "manifest" }, fault);
    for (const as of ["dockerd", "containerd", "skopeo"] as const) {
      t.match(await ask(client, as, "HEAD"), { status: 200, digest, cache: "STALE" }, `${as}'s HEAD`);
      t.match(await ask(client, as), { status: 200, digest, cache: "STALE", bytes: index?.bytes.length }, as);
    }
    t.ok((await ask(client, "old")).status >= 429, "but not where it would have been sent another");
  });
}

t.test("what was made for who takes nothing else stands in for nobody else", async (t) => {
  const { registry, client, image } = await warmed(t, "old");
  registry.fault({ kind: "manifest" }, { status: 503 });
  t.match(await ask(client, "old"), { status: 200, digest: image.manifest.digest, cache: "STALE" });
  for (const as of ["dockerd", "containerd", "skopeo"] as const) t.match(await ask(client, as), { status: 503 }, as);
});

t.test("of several, the one that was confirmed last", async (t) => {
  const clock = new MovableClock();
  const { registry, client } = await stage(t, { clock });
  listOf(registry, "1");
  await ask(client, "containerd");
  const moved = listOf(registry, "1");
  clock.time += 1000;
  await ask(client, "dockerd");
  registry.fault({ kind: "manifest" }, { status: 503 });
  for (const as of ["containerd", "skopeo", "dockerd"] as const) {
    t.match(await ask(client, as), { status: 200, digest: moved.digest, cache: "STALE" }, as);
  }
});

t.test("one that is held before one that was only heard of", async (t) => {
  const clock = new MovableClock();
  const { registry, client } = await stage(t, { clock });
  const { digest } = listOf(registry, "1");
  await ask(client, "containerd");
  const moved = listOf(registry, "1");
  clock.time += 1000;
  await ask(client, "dockerd", "HEAD");
  registry.fault({ kind: "manifest" }, { status: 503 });
  t.match(await ask(client, "skopeo"), { status: 200, digest, cache: "STALE" });
  t.match(await ask(client, "dockerd", "HEAD"), { digest }, "so that a client's HEAD and GET agree");
  t.not(moved.digest, digest);
});

t.test("a body that another client was sent is confirmed by HEAD, which no registry counts", async (t) => {
  const { registry, client, image } = await warmed(t, "dockerd");
  registry.forget();
  for (const as of ["skopeo", "containerd"] as const) {
    t.match(await ask(client, as), { status: 200, digest: image.digest, cache: "REVALIDATED" }, as);
  }
  t.equal(registry.count({ kind: "manifest", method: "GET" }), 0);
  t.match(await ask(client, "old"), { status: 200, digest: image.manifest.digest }, "and never taken for granted");
});
