import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { blobRequests, blobsFetched } from "./daemons/access-log.ts";
import { startUpstream } from "./daemons/docker-registry.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { importDebian } from "./images/debian.ts";
import { makeImage } from "./images/image.ts";
import { makeNodeBase } from "./images/node-base.ts";
import { makeAuthority } from "./machine/authority.ts";
import { openPlace } from "./machine/place.ts";
import { freePort } from "./machine/ports.ts";
import { skipWithout } from "./machine/programs.ts";
import { until } from "./machine/until.ts";

t.setTimeout(540_000);
const skip = skipWithout("dockerd", "docker", "containerd", "runc", "docker-registry", "skopeo", "debootstrap", "npm");
const repository = resolve(import.meta.dirname, "../..");

/** The base images of a Dockerfile. */
function basesOf(dockerfile: string): Set<string> {
  return new Set([...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1] ?? ""));
}

await t.test("the image", { skip }, async (t: Test) => {
  const place = openPlace(t);
  const authority = makeAuthority(place);
  const hub = await startUpstream(place, { authority, hosts: ["registry-1.docker.io"] });
  const pulled = makeImage(place.folder("image"), "pulled through the image");
  await hub.push(pulled, "library/app:1.2.3");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const root = join(place.directory, "root.pem");
  // The engine reads whom to trust at its first TLS connection, which is after the proxy in the container has its CA.
  const trust = { SSL_CERT_FILE: root, SSL_CERT_DIR: place.folder("no-certificates") };
  const engine = await startDockerd(place, { HTTPS_PROXY: url, ...trust });
  const { docker } = engine;
  await importDebian(engine);

  const image = "entrepot:test";
  const [base = "", ...others] = basesOf(readFileSync(join(repository, "Dockerfile"), "utf8"));
  t.same(others, [], "one base image for all stages");
  await makeNodeBase(place, engine, base);
  await docker("build", "--network=host", "--tag", image, repository);

  // The container's user reads it through a bind mount.
  const upstreams = join(place.folder("public"), "upstreams.pem");
  writeFileSync(upstreams, readFileSync(authority.file));
  chmodSync(place.directory, 0o755);
  const settings = { PORT: String(port), HOST_MAP: hub.hostMap, UPSTREAM_CA_FILE: "/upstreams.pem" };
  const environment = Object.entries(settings).map(([name, value]) => `--env=${name}=${value}`);
  const mounts = [`--volume=${upstreams}:/upstreams.pem:ro`];
  const volumes = ["--volume=ca:/ca", "--volume=cache:/docker_mirror_cache"];
  const start = (name: string, ...options: readonly string[]) =>
    docker("run", "--detach", "--network=host", `--name=${name}`, ...environment, ...mounts, ...options, image);
  const state = (name: string, field: string) => docker("inspect", "--format", `{{.State.${field}}}`, name);
  const fetchRoot = () =>
    new Promise<string>((done, fail) => {
      const sent = get(`${url}/ca.crt`, { agent: false });
      sent.on("error", fail).on("response", (answer) => done(answer.statusCode === 200 ? text(answer) : ""));
    });

  await t.test("it becomes healthy, without root's rights", async (t) => {
    await start("first", "--health-interval=1s", ...volumes);
    await until("the container is healthy", 30_000, async () =>
      (await state("first", "Health.Status")) === "healthy" ? true : undefined,
    );
    t.match(await docker("exec", "first", "cat", "/proc/1/status"), /^Uid:\s+1000\s+1000/m);
    t.match(await docker("exec", "first", "cat", "/proc/1/cmdline"), /^node\0\/app\/dist\/main\.js\0/);
    const config: { Volumes: object; ExposedPorts: object; User: string } = JSON.parse(
      await docker("inspect", "--format", "{{json .Config}}", image),
    );
    t.same(Object.keys(config.Volumes).toSorted(), ["/ca", "/docker_mirror_cache"]);
    t.same(Object.keys(config.ExposedPorts), ["3128/tcp"]);
    t.equal(config.User, "1000:1000");
    const modules = await docker("exec", "first", "ls", "/app/node_modules");
    t.match(modules, /^pino$/m);
    t.notMatch(modules, /^(?:node|tap|typescript)$/m);
  });

  await t.test("an engine pulls through it", async (t) => {
    writeFileSync(root, await fetchRoot());
    const seen = await hub.during(() => docker("pull", "app:1.2.3"));
    t.same(blobsFetched(seen).toSorted(), [...pulled.blobs].toSorted());
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", "app:1.2.3"), pulled.digest);
    await docker("rmi", "app:1.2.3");
  });

  await t.test("it stops at once, and a new container goes on with the volumes", async (t) => {
    const before = Date.now();
    await docker("stop", "-t", "20", "first");
    t.ok(Date.now() - before < 5000, "stopped within a moment");
    t.equal(await state("first", "ExitCode"), "0");
    await docker("rm", "first");
    await start("second", "--health-interval=1s", ...volumes);
    const again = await until("the second container answers", 30_000, async () => (await fetchRoot()) || undefined);
    t.equal(again, readFileSync(root, "utf8"), "the same CA");
    t.same(blobRequests(await hub.during(() => docker("pull", "app:1.2.3"))), []);
    await docker("rm", "--force", "second");
  });

  await t.test(
    "volumes that belong to root: the CA's stops the start and says what to do, the cache's does not",
    async (t) => {
      const old = place.folder("old-volumes");
      await start("third", `--volume=${place.folder("old-volumes/ca")}:/ca`, `--volume=${old}:/docker_mirror_cache`);
      await until("the container has ended", 20_000, async () =>
        (await state("third", "Status")) === "exited" ? true : undefined,
      );
      const { stdout, stderr } = await engine.attempt(["logs", "third"]);
      t.match(`${stdout}${stderr}`, /\/ca may not be accessed by this user. Make it writable/);
      t.not(await state("third", "ExitCode"), "0");
      // Without its cache it still does its work; a moment's trouble with a disk is no reason to stop a cluster's pulls.
      await start("fourth", "--volume=ca:/ca", `--volume=${old}:/docker_mirror_cache`);
      await until("it serves without a cache", 20_000, async () => (await fetchRoot()) || undefined);
      await docker("rmi", "app:1.2.3");
      const seen = await hub.during(() => docker("pull", "app:1.2.3"));
      t.same(new Set(blobsFetched(seen)), new Set(pulled.blobs));
      await docker("rm", "--force", "fourth");
      // As the old proxy's image ran.
      await start("fifth", "--user=0:0", `--volume=${old}/ca:/ca`, `--volume=${old}:/docker_mirror_cache`);
      t.match(
        await until("it runs as root", 20_000, async () => (await fetchRoot()) || undefined),
        "BEGIN CERTIFICATE",
      );
      await docker("rm", "--force", "fifth");
    },
  );
});
