import t, { type Test } from "tap";
import { criPull } from "./clients/cri.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { blobRequests, blobsFetched } from "./daemons/access-log.ts";
import { skipWithout } from "./machine/programs.ts";
import { injected, privateHost, setStage } from "./stage.ts";

t.setTimeout(120_000);
const skip = skipWithout("containerd", "ctr", "docker-registry", "skopeo", "htpasswd", "openssl");

await t.test("containerd", { skip }, async (t: Test) => {
  const { hub, hubImage, mine, mineImage, proxy, place } = await setStage(t, { AUTH_REGISTRIES: injected });
  const containerd = await startContainerd(place, proxy.clientEnvironment);
  const image = "docker.io/library/app:1.2.3";
  const digests = async (...namespace: string[]) => containerd.ctr(...namespace, "images", "ls");

  await t.test("ctr images pull: first from the upstream, then from the cache", async (t) => {
    const first = await hub.during(() => containerd.ctr("images", "pull", image));
    t.same(blobsFetched(first).toSorted(), [...hubImage.blobs].toSorted());
    t.match(await digests(), hubImage.digest);
    t.equal(await hub.digest("library/app", "1.2.3"), hubImage.digest);

    await containerd.ctr("images", "rm", "--sync", image);
    await containerd.ctr("content", "prune", "references");
    const second = await hub.during(() => containerd.ctr("images", "pull", image));
    t.same(blobRequests(second), []);
    t.match(await digests(), hubImage.digest);
  });

  await t.test("a kubelet's pull: a private image without a login", async (t) => {
    const reference = `${privateHost}/library/app:1.2.3`;
    const seen = await mine.during(async () => {
      t.equal(await criPull(containerd.socket, reference), mineImage.blobs.at(-1));
    });
    t.same(blobsFetched(seen).toSorted(), [...mineImage.blobs].toSorted());
    t.match(await digests("--namespace", "k8s.io"), mineImage.digest);
  });

  await t.test("a tag that is not there is not there", async (t) => {
    const { code, stderr } = await containerd.attempt("images", "pull", "docker.io/library/app:none");
    t.not(code, 0);
    t.match(stderr, "not found");
  });
});
