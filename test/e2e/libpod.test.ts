import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";
import t, { type Test } from "tap";
import { libpod } from "./clients/libpod.ts";
import { blobRequests, blobsFetched } from "./daemons/access-log.ts";
import { skipWithout } from "./machine/programs.ts";
import { injected, login, privateHost, setStage } from "./stage.ts";

t.setTimeout(120_000);
const skip = skipWithout("podman", "skopeo", "buildah", "crun", "docker-registry", "htpasswd", "openssl");

await t.test("podman, skopeo and buildah", { skip }, async (t: Test) => {
  const { hub, hubImage, mine, mineImage, proxy, place } = await setStage(t, { AUTH_REGISTRIES: injected });
  const { podman, skopeo, buildah, attempt } = libpod(place, proxy.clientEnvironment);
  const image = "docker.io/library/app:1.2.3";
  await t.test("podman pull, twice", async (t) => {
    const first = await hub.during(() => podman("pull", image));
    t.same(blobsFetched(first).toSorted(), [...hubImage.blobs].toSorted());
    t.match(await podman("images", "--digests"), hubImage.digest);
    await podman("rmi", image);
    t.same(blobRequests(await hub.during(() => podman("pull", image))), []);
    t.match(await podman("images", "--digests"), hubImage.digest);
  });

  await t.test("skopeo inspect and copy", async (t) => {
    t.equal(await skopeo("inspect", "--format", "{{.Digest}}", `docker://${image}`), hubImage.digest);
    const copy = place.folder("copy");
    t.same(blobRequests(await hub.during(() => skopeo("copy", `docker://${image}`, `dir:${copy}`))), []);
    const manifest = createHash("sha256")
      .update(readFileSync(join(copy, "manifest.json")))
      .digest("hex");
    t.equal(`sha256:${manifest}`, hubImage.digest);
  });

  await t.test("skopeo reads a private image without a login", async (t) => {
    const reference = `docker://${privateHost}/library/app:1.2.3`;
    t.equal(await skopeo("inspect", "--format", "{{.Digest}}", reference), mineImage.digest);
    t.match(await skopeo("list-tags", `docker://${privateHost}/library/app`), '"1.2.3"');
  });

  await t.test("buildah push is refused, and arrives with ALLOW_PUSH", async (t) => {
    const target = `docker://${privateHost}/built/app:1`;
    const credentials = `${login.user}:${login.password}`;
    const file = place.folder("digest");
    const push = ["push", "--creds", credentials, "--digestfile", join(file, "digest"), image, target] as const;
    const refused = await attempt("buildah", ...push);
    t.not(refused.code, 0);
    t.match(refused.stderr, "ALLOW_PUSH");
    await proxy.restart({ ALLOW_PUSH: "true", AUTH_REGISTRIES: "" });
    await buildah(...push);
    t.equal(await mine.digest("built/app", "1"), readFileSync(join(file, "digest"), "utf8").trim());
    await proxy.restart({});
    t.equal(await skopeo("inspect", "--format", "{{.Digest}}", target), await mine.digest("built/app", "1"));
  });
});
