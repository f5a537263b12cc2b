import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { testAuthority } from "../fixtures/certificates.ts";
import { ProxyClient } from "../fixtures/proxy-client.ts";
import { type FixtureRegistry, startRegistry } from "../fixtures/registry.ts";
import { criPull } from "./clients/cri.ts";
import { libpod } from "./clients/libpod.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { type Proxy, startProxy } from "./daemons/proxy.ts";
import { type Image, makeImage } from "./images/image.ts";
import { openPlace } from "./machine/place.ts";
import { skipWithout } from "./machine/programs.ts";
import { until } from "./machine/until.ts";

t.setTimeout(300_000);
const skip = skipWithout("dockerd", "docker", "containerd", "ctr", "runc", "skopeo");
const hub = "registry-1.docker.io";

/** Puts an image into the fixture as a registry would have it. */
function store(registry: FixtureRegistry, repository: string, { layout, digest, blobs }: Image): void {
  const bytes = (name: string): Buffer => readFileSync(join(layout, "blobs", "sha256", name.replace("sha256:", "")));
  for (const blob of blobs) registry.blob(repository, bytes(blob));
  registry.content.manifest(repository, bytes(digest), "application/vnd.oci.image.manifest.v1+json", "1");
}

/** A figure of `/metrics` for Docker Hub. */
async function figure(proxy: Proxy, name: string): Promise<number | undefined> {
  const line = (await proxy.metrics()).split("\n").find((one) => one.startsWith(`${name}{`) && one.includes(hub));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

await t.test("Docker Hub's pull limit", { skip }, async (t: Test) => {
  const place = openPlace(t);
  const registry = await startRegistry(t, { names: [hub] });
  const [image, other] = ["limited", "other"].map((name) => makeImage(place.folder(name), name)) as [Image, Image];
  store(registry, "library/app", image);
  store(registry, "library/other", other);
  const roots = join(place.directory, "roots.pem");
  writeFileSync(roots, testAuthority().caPem);
  const proxy = await startProxy(place, { HOST_MAP: registry.hostMap.join(" "), UPSTREAM_CA_FILE: roots });
  const { digest } = image;
  const left = { "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "7;w=21600" };
  registry.fault({ kind: "manifest" }, { headers: { ...left, "docker-ratelimit-source": "192.0.2.1" } });

  await t.test("what is left of it is exported, and told before it is nothing", async (t) => {
    const { docker } = await startDockerd(place, proxy.clientEnvironment, "d0");
    await docker("pull", "app:1");
    t.equal(await figure(proxy, "entrepot_quota_limit"), 100);
    t.equal(await figure(proxy, "entrepot_quota_remaining"), 7);
    const low = proxy.log().filter(({ event }) => event === "quota-low");
    t.match(low, [{ level: "warn", remaining: 7, limit: 100 }], "one line");
  });

  const over = registry.fault({}, { status: 429, body: "{}", headers: { "retry-after": "3600" } });

  await t.test("past it, machines that have never seen the image pull it", async (t) => {
    registry.forget();
    const engine = await startDockerd(place, proxy.clientEnvironment, "d1");
    await engine.docker("pull", "app:1");
    t.match(await engine.docker("inspect", "--format", "{{json .RepoDigests}}", "app:1"), digest, "dockerd");
    t.ok(registry.count() > 0, "the registry was asked, and said when to come again");
    registry.forget();
    const containerd = await startContainerd(place, proxy.clientEnvironment, "c1");
    t.equal(await criPull(containerd.socket, "docker.io/library/app:1"), image.blobs.at(-1), "the kubelet");
    const { skopeo } = libpod(place, proxy.clientEnvironment);
    await skopeo("copy", "docker://docker.io/library/app:1", `dir:${place.folder("copy")}`);
    t.equal(registry.count(), 0, "until then it is left in peace");
    const tags = proxy.log().filter(({ cache, reference }) => cache === "STALE" && reference === "1");
    t.ok(tags.length >= 3, "each was served the tag as it was last");
  });

  await t.test("what is not held is refused with the time to come again", async (t) => {
    const caPem = readFileSync(proxy.root, "utf8");
    const client = new ProxyClient({ proxyPort: proxy.port, caPem, host: hub });
    const { status, headers } = await client.request("/v2/library/other/manifests/1");
    client.close();
    t.equal(status, 429);
    t.ok(Number(headers["retry-after"]) > 3000, String(headers["retry-after"]));
    const engine = await startDockerd(place, proxy.clientEnvironment, "d2");
    const { code, stderr } = await engine.attempt(["pull", "other:1"]);
    t.not(code, 0);
    t.match(stderr, /too many|toomanyrequests|429/i);
  });

  await t.test("when it may be asked again, it is", async (t) => {
    over();
    const soon = registry.fault({}, { status: 429, body: "{}", headers: { "retry-after": "1" } });
    await proxy.restart({});
    const engine = await startDockerd(place, proxy.clientEnvironment, "d3");
    await engine.docker("pull", "app:1");
    soon();
    await until("the registry is asked again", 60_000, async () => {
      await engine.docker("pull", "app:1");
      return proxy.log().some(({ cache }) => cache === "REVALIDATED") || undefined;
    });
    await engine.docker("pull", "other:1");
    t.match(await engine.docker("inspect", "--format", "{{json .RepoDigests}}", "other:1"), other.digest);
  });
});
