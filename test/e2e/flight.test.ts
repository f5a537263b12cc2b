import t, { type Test } from "tap";
import { criPull } from "./clients/cri.ts";
import { blobRequests, blobsFetched } from "./daemons/access-log.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startSlowLink } from "./daemons/slow-link.ts";
import { startProxy } from "./daemons/proxy.ts";
import { makeImage } from "./images/image.ts";
import { skipWithout } from "./machine/programs.ts";
import { setGuarded, setStage } from "./stage.ts";

t.setTimeout(240_000);
const skip = skipWithout("dockerd", "docker", "containerd", "runc", "docker-registry", "skopeo", "htpasswd", "openssl");
const megabyte = 1024 * 1024;

await t.test("machines that pull the same cold image at the same time", { skip }, async (t: Test) => {
  const { hub, proxy, place } = await setStage(t);
  const image = makeImage(place.folder("big-image"), "a cold one", 24 * megabyte);
  await hub.push(image, "library/big:1");
  const port = await startSlowLink(place, hub.port, 8 * megabyte);
  await proxy.restart({ HOST_MAP: `${hub.host}:443=127.0.0.1:${port}` });
  const [first, second, containerd] = await Promise.all([
    startDockerd(place, proxy.clientEnvironment, "d1"),
    startDockerd(place, proxy.clientEnvironment, "d2"),
    startContainerd(place, proxy.clientEnvironment, "c1"),
  ]);

  const from = proxy.log().length;
  const seen = await hub.during(() =>
    Promise.all([
      first.docker("pull", "big:1"),
      second.docker("pull", "big:1"),
      criPull(containerd.socket, "docker.io/library/big:1"),
    ]),
  );
  t.same(blobsFetched(seen).toSorted(), [...image.blobs].toSorted(), "each blob once");
  t.equal(blobRequests(seen).length, image.blobs.length, "and nothing else of blobs");
  for (const { docker } of [first, second]) {
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", "big:1"), image.digest);
  }
  t.match(await containerd.ctr("--namespace", "k8s.io", "images", "ls"), image.digest);
  const blobs = proxy
    .log()
    .slice(from)
    .filter(({ kind }) => kind === "blob");
  const big = blobs.filter(({ bytes }) => Number(bytes) > megabyte);
  t.equal(big.length, 3, "three clients read the big layer");
  t.equal(big.filter(({ collapsed }) => collapsed === true).length, 2, "two of them from the download of the first");
  t.same(new Set(blobs.map(({ status }) => status)), new Set([200]));
});

await t.test("machines of one user, each with a token of its own", { skip }, async (t: Test) => {
  const registry = "registry.private.test";
  const { place, authority, upstream, tokens, images } = await setGuarded(t, {
    registry,
    service: "tokens.private.test",
    path: "/auth/token",
    users: { alice: { password: "hers", pull: ["team/app"] } },
    contents: { "team/app": "a private one" },
  });
  const { digest = "", blobs = [] } = images["team/app"] ?? {};
  const port = await startSlowLink(place, upstream.port, megabyte);
  const proxy = await startProxy(place, {
    HOST_MAP: [`${registry}:443=127.0.0.1:${port}`, ...tokens.hostMap].join(" "),
    REGISTRIES: `${registry} tokens.private.test`,
    UPSTREAM_CA_FILE: authority.file,
  });
  const engines = await Promise.all(["d1", "d2"].map((name) => startDockerd(place, proxy.clientEnvironment, name)));
  for (const { docker } of engines) await docker("login", "--username", "alice", "--password", "hers", registry);
  const image = `${registry}/team/app:1`;
  const seen = await upstream.during(() => Promise.all(engines.map(({ docker }) => docker("pull", image))));
  t.same(blobsFetched(seen).toSorted(), [...blobs].toSorted(), "each blob once");
  for (const { docker } of engines) {
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", image), digest);
  }
  const big = proxy.log().filter(({ kind, bytes }) => kind === "blob" && Number(bytes) > megabyte);
  t.same(
    big.map(({ status }) => status),
    [200, 200],
  );
  t.equal(big.filter(({ collapsed }) => collapsed === true).length, 1, "one from the download of the other");
});
