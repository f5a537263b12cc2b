import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { libpod } from "./clients/libpod.ts";
import { blobRequests, blobsFetched } from "./daemons/access-log.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startProxy } from "./daemons/proxy.ts";
import { skipWithout } from "./machine/programs.ts";
import { run } from "./machine/run.ts";
import { injected, privateHost, setGuarded, setStage } from "./stage.ts";

t.setTimeout(540_000);
const skip = skipWithout("dockerd", "docker", "containerd", "runc", "podman", "docker-registry", "skopeo", "htpasswd");

/** Clients that know no proxy and trust nobody: all they reach is the front. */
const alone = { SSL_CERT_FILE: "/nonexistent", SSL_CERT_DIR: "/nonexistent" };

await t.test("other registries, pulled through below proxy/", { skip }, async (t: Test) => {
  const stage = await setStage(t, { AUTH_REGISTRIES: injected });
  const { place, proxy, hub, hubImage, mine, mineImage } = stage;
  await proxy.restart({ REGISTRY_STORAGE: place.folder("registry") });
  const us = `127.0.0.1:${proxy.port}`;
  const engine = await startDockerd(place, alone);
  const containerd = await startContainerd(place, alone);
  const pods = libpod(place, alone);
  const official = `${us}/proxy/registry-1.docker.io/library/app:1.2.3`;
  const cached = (from: number) =>
    proxy
      .log()
      .slice(from)
      .flatMap((line) => (line["kind"] === "blob" ? [line["cache"]] : []));

  await t.test("docker pull, from the registry and then from the cache", async (t) => {
    const seen = await hub.during(() => engine.docker("pull", official));
    t.same(blobsFetched(seen).toSorted(), [...hubImage.blobs].toSorted());
    t.match(await engine.docker("inspect", "--format", "{{json .RepoDigests}}", official), hubImage.digest);
    await engine.docker("rmi", official);
    const from = proxy.log().length;
    t.same(blobRequests(await hub.during(() => engine.docker("pull", official))), []);
    t.same(new Set(cached(from)), new Set(["HIT"]));
  });

  await t.test("containerd, podman and skopeo, by every name of Docker Hub", async (t) => {
    const names = [official, `${us}/proxy/docker.io/library/app:1.2.3`, `${us}/proxy/docker.io/app:1.2.3`];
    const seen = await hub.during(async () => {
      for (const name of names) {
        await containerd.ctr("images", "pull", "--plain-http", name);
        await pods.podman("pull", "--tls-verify=false", name);
        const inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${name}`];
        t.equal(await pods.skopeo(...inspect), hubImage.digest, name);
      }
    });
    t.same(blobRequests(seen), []);
    t.match(
      await pods.skopeo("list-tags", "--tls-verify=false", `docker://${official.replace(/:[^:]*$/, "")}`),
      '"1.2.3"',
    );
  });

  await t.test("a private image by AUTH_REGISTRIES, for clients that have no login", async (t) => {
    const image = `${us}/proxy/${privateHost}/library/app:1.2.3`;
    const seen = await mine.during(() => engine.docker("pull", image));
    t.same(blobsFetched(seen).toSorted(), [...mineImage.blobs].toSorted());
    t.equal(
      await engine.docker("inspect", "--format", "{{.Config.Labels.content}}", image),
      "from the private registry",
    );
  });

  await t.test("what is not allowed is refused in words that the client shows", async (t) => {
    const unknown = await engine.attempt(["pull", `${us}/proxy/unknown.test/team/app:1`]);
    t.not(unknown.code, 0);
    t.match(unknown.stderr, /unknown\.test is not among the registries .* REGISTRIES/);
    await engine.docker("tag", official, `${us}/proxy/docker.io/library/pushed:1`);
    const pushed = await engine.attempt(["push", `${us}/proxy/docker.io/library/pushed:1`]);
    t.not(pushed.code, 0);
    t.match(`${pushed.stdout}${pushed.stderr}`, "push under another name");
  });

  await t.test("other names are pushed to us and pulled from us", async (t) => {
    const own = `${us}/team/own:1`;
    await engine.docker("tag", official, own);
    const pushed = /digest: (sha256:\S+)/.exec(await engine.docker("push", own))?.[1];
    await pods.podman("pull", "--tls-verify=false", own);
    const inspect = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", `docker://${own}`];
    t.equal(await pods.skopeo(...inspect), pushed);
  });

  await t.test("with accounts, docker login, podman login and containerd's user open it", async (t) => {
    const home = place.folder("accounts");
    const file = join(home, "htpasswd");
    const env = { PATH: process.env["PATH"] ?? "", HOME: home };
    writeFileSync(file, await run("htpasswd", ["-Bbn", "bob", "his:own"], { env }));
    const accounts = Buffer.from("alice:hers").toString("base64");
    await proxy.restart({ REGISTRY_STORAGE: place.folder("registry"), ACCOUNTS: accounts, HTPASSWD_FILE: file });
    await engine.docker("rmi", "--force", official);
    t.not((await engine.attempt(["pull", official])).code, 0);
    t.not((await engine.attempt(["login", "--username", "alice", "--password", "his:own", us])).code, 0);
    await engine.docker("login", "--username", "alice", "--password", "hers", us);
    await engine.docker("pull", official);
    await engine.docker("tag", official, `${us}/team/alices:1`);
    await engine.docker("push", `${us}/team/alices:1`);
    t.not((await pods.attempt("podman", "pull", "--tls-verify=false", `${us}/team/alices:1`)).code, 0);
    await pods.podman("login", "--tls-verify=false", "--username", "bob", "--password", "his:own", us);
    await pods.podman("pull", "--tls-verify=false", `${us}/team/alices:1`);
    const pull = ["images", "pull", "--plain-http", "--user"];
    t.not((await containerd.attempt(...pull, "bob:hers", `${us}/team/alices:1`)).code, 0);
    await containerd.ctr(...pull, "bob:his:own", `${us}/team/alices:1`);
    t.notMatch(JSON.stringify(proxy.log()), /his:own|"hers"/);
  });
});

await t.test("a registry with tokens, pulled through by clients that know nothing of it", { skip }, async (t: Test) => {
  const registry = "tokens.test";
  const guarded = await setGuarded(t, {
    registry,
    service: "auth.test",
    path: "/token",
    users: { robot: { password: "r0bot", pull: ["*"] }, alice: { password: "her5", pull: ["closed/app"] } },
    anonymous: ["open/app"],
    contents: { "open/app": "for everybody", "closed/app": "for robots" },
  });
  const { place, authority } = guarded;
  const variables = {
    HOST_MAP: guarded.hostMap,
    REGISTRIES: `${registry} auth.test`,
    UPSTREAM_CA_FILE: authority.file,
  };
  const proxy = await startProxy(place, variables);
  // As the program of this kind that it takes the place of is configured.
  const own = join(place.folder("proxy"), "configuration.toml");
  mkdirSync(join(place.directory, "toml-cache"));
  writeFileSync(own, `proxy_storage = "${join(place.directory, "toml-cache")}"\n`);
  await proxy.restart({ CACHE_DIR: "" });
  const engine = await startDockerd(place, alone);
  const image = (repository: string): string => `127.0.0.1:${proxy.port}/proxy/${registry}/${repository}:1`;

  await t.test("an anonymous token is ours to fetch", async (t) => {
    await engine.docker("pull", image("open/app"));
    t.match(
      await engine.docker("inspect", "--format", "{{json .RepoDigests}}", image("open/app")),
      guarded.images["open/app"]?.digest ?? "none",
    );
  });

  await t.test("containerd's own login opens it, by a token that it gets here", async (t) => {
    const containerd = await startContainerd(place, alone);
    const pull = ["images", "pull", "--plain-http"];
    t.not((await containerd.attempt(...pull, image("closed/app"))).code, 0);
    t.not((await containerd.attempt(...pull, "--user", "alice:wrong", image("closed/app"))).code, 0);
    await containerd.ctr(...pull, "--user", "alice:her5", image("closed/app"));
    t.match(await containerd.ctr("images", "ls"), guarded.images["closed/app"]?.digest ?? "none");
    t.notMatch(JSON.stringify(proxy.log()), "her5");
    await containerd.stop();
  });

  await t.test("what it opens to nobody stays closed, until AUTH_REGISTRIES has a login", async (t) => {
    t.not((await engine.attempt(["pull", image("closed/app")])).code, 0);
    await proxy.restart({ CACHE_DIR: "", AUTH_REGISTRIES: `${registry}:robot:r0bot` });
    await engine.docker("pull", image("closed/app"));
    t.notMatch(JSON.stringify(proxy.log()), "r0bot");
  });

  await t.test("without registry and token service, what is held is pulled", async (t) => {
    await engine.docker("rmi", image("open/app"), image("closed/app"));
    await guarded.stop();
    const from = proxy.log().length;
    for (const repository of ["open/app", "closed/app"]) await engine.docker("pull", image(repository));
    const lines = proxy.log().slice(from);
    t.ok(lines.some(({ kind, cache }) => kind === "manifest" && cache === "STALE"));
    t.ok(lines.every(({ cache }) => cache !== "MISS"));
  });
});
