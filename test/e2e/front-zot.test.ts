import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { frontClient } from "../fixtures/front-client.ts";
import type { FixtureRegistry } from "../fixtures/registry.ts";
import { startZot } from "../fixtures/zot.ts";
import { libpod } from "./clients/libpod.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startProxy } from "./daemons/proxy.ts";
import { type Image, makeImage } from "./images/image.ts";
import { makeAuthority } from "./machine/authority.ts";
import { openPlace } from "./machine/place.ts";
import { skipWithout } from "./machine/programs.ts";

t.setTimeout(240_000);
const skip = skipWithout("dockerd", "docker", "runc", "containerd", "ctr", "skopeo", "openssl");

const user = "alice:wonder";

function fill(zot: FixtureRegistry, image: Image, repository: string): void {
  const read = (digest: string): Buffer => readFileSync(join(image.layout, "blobs", digest.replace(":", "/")));
  for (const digest of image.blobs) zot.blob(repository, read(digest));
  zot.content.manifest(repository, read(image.digest), "application/vnd.oci.image.manifest.v1+json", "1");
}

await t.test("a Zot registry, for docker too", { skip }, async (t: Test) => {
  const place = openPlace(t);
  const authority = makeAuthority(place);
  const zot = await startZot(t);
  const image = makeImage(place.folder("image"), "in Zot");
  for (const repository of ["open", "closed"]) fill(zot, image, repository);
  const proxy = await startProxy(place, {
    ZOT_URL: "https://zot.test",
    SECRET: "a secret of the test's",
    HOST_MAP: zot.hostMap.join(" "),
    UPSTREAM_CA_FILE: authority.file,
  });
  await proxy.restart({ MY_URL: proxy.url });
  const host = `127.0.0.1:${proxy.port}`;
  const engine = await startDockerd(place, {});
  const { docker } = engine;
  const containerd = await startContainerd(place, {});
  const { skopeo, attempt } = libpod(place, {});
  const login = (password: string) => ["login", "--username", "alice", "--password", password, host] as const;
  const pulls = async (name: string): Promise<void> => {
    await docker("pull", `${host}/${name}`);
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", `${host}/${name}`), image.digest, name);
    await docker("rmi", `${host}/${name}`);
  };

  await t.test("docker as nobody", async (t) => {
    await pulls("open:1");
    t.match(zot.requests.at(-1), { headers: { "user-agent": /^docker\//, authorization: undefined } });
    t.not((await engine.attempt(["pull", `${host}/closed:1`])).code, 0);
  });

  await t.test("docker with a login", async (t) => {
    t.not((await engine.attempt(login("looking-glass"))).code, 0);
    await docker(...login("wonder"));
    await pulls("closed:1");
    await docker("pull", `${host}/open:1`);
    await docker("tag", `${host}/open:1`, `${host}/pushed:1`);
    await docker("push", `${host}/pushed:1`);
    t.ok(zot.content.repositories.get("pushed")?.tags.has("1"), "and pushes");
    await docker("rmi", `${host}/open:1`, `${host}/pushed:1`);
    await docker("logout", host);
    t.not((await engine.attempt(["pull", `${host}/closed:1`])).code, 0);
  });

  await t.test("containerd and skopeo have Zot itself", async (t) => {
    const fetch = ["content", "fetch", "--plain-http"] as const;
    await containerd.ctr(...fetch, `${host}/open:1`);
    t.match(await containerd.ctr("images", "ls"), image.digest);
    t.not((await containerd.attempt(...fetch, `${host}/closed:1`)).code, 0);
    t.not((await containerd.attempt(...fetch, "--user", "alice:looking-glass", `${host}/closed:1`)).code, 0);
    await containerd.ctr(...fetch, "--user", user, `${host}/closed:1`);
    const inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"] as const;
    t.equal(await skopeo(...inspect, `docker://${host}/open:1`), image.digest);
    t.not((await attempt("skopeo", ...inspect, `docker://${host}/closed:1`)).code, 0);
    t.match(JSON.parse(await skopeo("list-tags", "--tls-verify=false", `docker://${host}/open`)), { Tags: ["1"] });
    t.notOk(zot.requests.some(({ headers }) => String(headers["authorization"]).startsWith("Bearer")));
  });

  await t.test("docker compose is docker by its name, and a page's preflight is answered", async (t) => {
    const client = frontClient(proxy.port);
    const agent = "docker/28.0.1 go/go1.23.6 os/linux arch/amd64 UpstreamClient(compose/v2.33.1)";
    const { headers } = await client.request("/v2/", { headers: { "user-agent": agent } });
    t.equal(headers["www-authenticate"], `Bearer realm="${proxy.url}/docker-token"`);
    const asked = { origin: "https://app.test", "access-control-request-method": "GET" };
    const answer = await client.request("/v2/_catalog", { method: "OPTIONS", headers: asked });
    t.match(answer, { status: 204, headers: { "access-control-allow-origin": "https://app.test" } });
  });

  await t.test("with Zot gone docker and skopeo still pull what is open and held", async (t) => {
    zot.fault({}, { closeMidHeader: true });
    await pulls("open:1");
    const copy = place.folder("copy");
    await skopeo("copy", "--quiet", "--src-tls-verify=false", `docker://${host}/open:1`, `dir:${copy}`);
    t.match(readFileSync(join(copy, "manifest.json"), "utf8"), image.blobs[0]);
  });

  const log = JSON.stringify(proxy.log());
  for (const secret of ["wonder", "looking-glass", Buffer.from(user).toString("base64"), "entrepot-front."])
    t.notOk(log.includes(secret), "no credential in the log");
});
