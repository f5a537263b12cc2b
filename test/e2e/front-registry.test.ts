import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import t, { type Test } from "tap";
import { RegistryClient } from "../integration/hosted/client.ts";
import { libpod } from "./clients/libpod.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startProxy } from "./daemons/proxy.ts";
import { makeArtifact } from "./images/artifact.ts";
import { makeImage } from "./images/image.ts";
import { ownEnvironment } from "./machine/environment.ts";
import { openPlace } from "./machine/place.ts";
import { skipWithout } from "./machine/programs.ts";

t.setTimeout(400_000);
const skip = skipWithout("dockerd", "docker", "containerd", "runc", "podman", "skopeo", "buildah", "crun");

await t.test("the registry of our own, with real clients", { skip }, async (t: Test) => {
  const place = openPlace(t);
  const storage = place.folder("registry");
  const proxy = await startProxy(place, { REGISTRY_STORAGE: storage });
  const registry = `127.0.0.1:${proxy.port}`;
  const client = new RegistryClient(proxy.port);
  place.atEnd(() => client.close());
  const { podman, skopeo, buildah, attempt } = libpod(place, {});
  const image = makeImage(place.folder("image"), "of our own");
  const digestOf = async (name: string, tag: string): Promise<string> =>
    String((await client.request(`/v2/${name}/manifests/${tag}`, { method: "HEAD" })).headers["docker-content-digest"]);

  await t.test("skopeo pushes from an OCI layout, and pulls the same bytes", async (t) => {
    await skopeo(
      "copy",
      "--quiet",
      "--dest-tls-verify=false",
      `oci:${image.layout}`,
      `docker://${registry}/team/app:1`,
    );
    t.equal(await digestOf("team/app", "1"), image.digest);
    const copy = place.folder("copy");
    await skopeo("copy", "--quiet", "--src-tls-verify=false", `docker://${registry}/team/app:1`, `oci:${copy}`);
    t.same(
      readdirSync(join(copy, "blobs", "sha256")).toSorted(),
      readdirSync(join(image.layout, "blobs", "sha256")).toSorted(),
    );
    t.match(await skopeo("list-tags", "--tls-verify=false", `docker://${registry}/team/app`), '"1"');
  });

  await t.test(
    "docker pulls it, and pushes it under another name; what is there is mounted, not sent again",
    async (t) => {
      const { docker } = await startDockerd(place, {});
      await docker("pull", `${registry}/team/app:1`);
      t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", `${registry}/team/app:1`), image.digest);
      await docker("tag", `${registry}/team/app:1`, `${registry}/by/docker:2`);
      t.match(await docker("push", `${registry}/by/docker:2`), "digest: sha256:");
      await docker("rmi", `${registry}/by/docker:2`, `${registry}/team/app:1`);
      await docker("pull", `${registry}/by/docker:2`);
      t.equal(
        await docker("inspect", "--format", "{{.Config.Labels.content}}", `${registry}/by/docker:2`),
        "of our own",
      );
      const patched = proxy.log().filter(({ method, repository }) => method === "PATCH" && repository === "by/docker");
      t.ok(patched.length <= 1, `${patched.length} blobs were sent: the config at most`);
    },
  );

  await t.test("podman pulls and pushes", async (t) => {
    await podman("pull", "--tls-verify=false", `${registry}/by/docker:2`);
    await podman("push", "--tls-verify=false", `${registry}/by/docker:2`, `docker://${registry}/by/podman:3`);
    t.match(await digestOf("by/podman", "3"), /^sha256:/);
    await podman("rmi", "--all");
    await podman("pull", "--tls-verify=false", `${registry}/by/podman:3`);
  });

  await t.test("buildah builds on it, and pushes", async (t) => {
    const container = await buildah("from", "--tls-verify=false", `${registry}/team/app:1`);
    await buildah("config", "--label", "built=here", container);
    await buildah("commit", container, "built");
    const digests = join(place.folder("digests"), "built");
    await buildah("push", "--tls-verify=false", "--digestfile", digests, "built", `docker://${registry}/by/buildah:4`);
    t.equal(await digestOf("by/buildah", "4"), readFileSync(digests, "utf8").trim());
    await buildah("rm", container);
  });

  const artifacts = {
    oras: {
      artifactType: "application/vnd.example.report",
      config: { mediaType: "application/vnd.oci.empty.v1+json", content: "{}" },
      layers: [{ mediaType: "text/plain", content: "a report" }],
    },
    helm: {
      config: { mediaType: "application/vnd.cncf.helm.config.v1+json", content: '{"name":"chart"}' },
      layers: [{ mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", content: "a chart" }],
    },
    cosign: {
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        content: '{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[]}}',
      },
      layers: [{ mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", content: "a signature" }],
      subject: {
        digest: image.digest,
        size: readFileSync(join(image.layout, "blobs", "sha256", image.digest.slice(7))).length,
      },
    },
  };
  for (const [kind, options] of Object.entries(artifacts)) {
    await t.test(`an artifact as ${kind} makes one goes there and back`, async (t) => {
      const artifact = makeArtifact(place.folder(`artifact-${kind}`), options);
      const tag = kind === "cosign" ? `${image.digest.replace(":", "-")}.sig` : "1";
      const name = kind === "cosign" ? "team/app" : `artifacts/${kind}`;
      const target = `docker://${registry}/${name}:${tag}`;
      await skopeo("copy", "--quiet", "--dest-tls-verify=false", `oci:${artifact.layout}`, target);
      t.equal(await digestOf(name, tag), artifact.digest);
      const copy = place.folder(`artifact-${kind}-copy`);
      await skopeo("copy", "--quiet", "--src-tls-verify=false", target, `oci:${copy}`);
      t.same(
        readdirSync(join(copy, "blobs", "sha256")).toSorted(),
        readdirSync(join(artifact.layout, "blobs", "sha256")).toSorted(),
      );
    });
  }

  await t.test("what was attached is listed by its subject", async (t) => {
    const { body } = await client.request(`/v2/team/app/referrers/${image.digest}`);
    const { manifests } = JSON.parse(body.toString()) as { manifests: { artifactType: string }[] };
    t.same(
      manifests.map(({ artifactType }) => artifactType),
      ["application/vnd.oci.image.config.v1+json"],
    );
  });

  await t.test(
    "skopeo deletes, and gc takes what nobody refers to any more, beside the running registry",
    async (t) => {
      const file = (digest: string) => join(storage, "blobs", "sha256", digest.slice(7, 9), digest.slice(7));
      await skopeo("delete", "--tls-verify=false", `docker://${registry}/artifacts/helm:1`);
      t.not(
        (await attempt("skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${registry}/artifacts/helm:1`))
          .code,
        0,
      );
      const main = resolve(import.meta.dirname, "../../src/main.ts");
      const env = ownEnvironment(place.directory, { REGISTRY_STORAGE: storage, GC_GRACE: "0" });
      const collected = spawnSync(process.execPath, [main, "gc"], { env, cwd: place.directory, encoding: "utf8" });
      t.equal(collected.status, 0, collected.stderr);
      t.match(collected.stdout, /^[1-9]\d* blobs \(.+\) and 0 idle uploads removed, \d+ blobs kept\.\n$/);
      t.ok(image.blobs.every((digest) => readFileSync(file(digest)).length > 0));
      const again = place.folder("again");
      await skopeo("copy", "--quiet", "--src-tls-verify=false", `docker://${registry}/team/app:1`, `oci:${again}`);
    },
  );

  await t.test("nothing that they did failed inside", async (t) => {
    t.same(
      proxy.log().filter(({ level }) => level === "error" || level === "fatal"),
      [],
    );
  });
});
