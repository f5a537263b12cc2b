import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { criPull } from "./clients/cri.ts";
import { libpod } from "./clients/libpod.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startUpstream } from "./daemons/docker-registry.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { type Proxy, startProxy } from "./daemons/proxy.ts";
import { makeImage } from "./images/image.ts";
import { engines, skipWithout } from "./machine/programs.ts";
import { login, privateHost, setGuarded } from "./stage.ts";

t.setTimeout(240_000);
const skip = skipWithout(...engines);

interface Case {
  readonly registry: string;
  readonly service: string;
  readonly path: string;
  /** As the docker CLI and as containerd call the image. */
  readonly image: string;
  readonly reference: string;
}

const hub: Case = {
  registry: "registry-1.docker.io",
  service: "auth.docker.io",
  path: "/token",
  image: "library/public:1",
  reference: "docker.io/library/public:1",
};
// RFC 6761 §6.2: no resolver knows such names, so that without a HOST_MAP DNS is gone too.
const gone: Case = {
  registry: "registry.gone.test",
  service: "tokens.gone.test",
  path: "/jwt/auth",
  image: "registry.gone.test/library/public:1",
  reference: "registry.gone.test/library/public:1",
};

for (const { registry, service, path, image, reference } of [hub, gone]) {
  await t.test(`${registry} and its token service go away`, { skip }, async (t: Test) => {
    const guarded = await setGuarded(t, {
      registry,
      service,
      path,
      users: { alice: { password: login.password, pull: ["team/secret"] }, bob: { password: "his own", pull: [] } },
      anonymous: ["library/public"],
      contents: { "library/public": `public at ${registry}`, "team/secret": `alice's at ${registry}` },
    });
    const { place, authority } = guarded;
    const { digest = "", blobs = [] } = guarded.images["library/public"] ?? {};
    const mine = await startUpstream(place, { authority, hosts: [privateHost], login });
    const mineImage = makeImage(place.folder("mine-image"), `private beside ${registry}`);
    await mine.push(mineImage, "team/app:1");
    const proxy = await startProxy(place, {
      HOST_MAP: `${guarded.hostMap} ${mine.hostMap}`,
      REGISTRIES: `registry.gone.test tokens.gone.test ${privateHost}`,
      UPSTREAM_CA_FILE: authority.file,
    });
    const privateImage = `${privateHost}/team/app:1`;
    const secret = `${reference.slice(0, reference.indexOf("/"))}/team/secret`;
    const secretDigest = guarded.images["team/secret"]?.digest ?? "";

    const warm = await startDockerd(place, proxy.clientEnvironment, "d0");
    await t.test("while all is well", async (t) => {
      // Nobody else: containerd and skopeo ask with another Accept, and are served what it brought.
      await warm.docker("pull", image);
      t.match(await warm.docker("inspect", "--format", "{{json .RepoDigests}}", image), digest);
      await warm.docker("login", "--username", login.user, "--password", login.password, privateHost);
      await warm.docker("pull", privateImage);
      await warm.docker("rmi", privateImage);
      const { attempt, skopeo } = libpod(place, proxy.clientEnvironment);
      const creds = `alice:${login.password}`;
      await skopeo("copy", "--src-creds", creds, `docker://${secret}:1`, `dir:${place.folder("alice")}`);
      const { stderr } = await attempt("skopeo", "inspect", `docker://${privateImage}`);
      t.match(stderr, /unauthorized|authentication required/i);
    });
    await guarded.stop();
    await mine.stop();

    /** Machines that have never seen the image pull it; returns what the proxy logged of it. */
    const pulls = async (t: Test, round: string): Promise<Record<string, unknown>[]> => {
      const from = proxy.log().length;
      const engine = await startDockerd(place, proxy.clientEnvironment, `d${round}`);
      const containerd = await startContainerd(place, proxy.clientEnvironment, `c${round}`);
      await engine.docker("pull", image);
      t.match(await engine.docker("inspect", "--format", "{{json .RepoDigests}}", image), digest, "dockerd's digest");
      t.equal(await criPull(containerd.socket, reference), blobs.at(-1), "the kubelet's image");
      await containerd.ctr("images", "pull", reference);
      t.match(await containerd.ctr("images", "ls"), digest, "ctr's digest");
      const { skopeo } = libpod(place, proxy.clientEnvironment);
      t.match(await skopeo("inspect", "--no-tags", `docker://${reference}`), digest, "skopeo's digest");
      await skopeo("copy", `docker://${reference}`, `dir:${place.folder(`copy${round}`)}`);
      const lines = proxy.log().slice(from);
      // A refusal is containerd's first HEAD, which has no token yet.
      const served = lines.filter(({ status }) => status === 200);
      const cached = (kind: string) =>
        new Set(served.flatMap((line) => (line["kind"] === kind ? [line["cache"]] : [])));
      t.same(cached("blob"), new Set(["HIT"]));
      t.same(cached("manifest"), new Set(["STALE", "HIT"]), "the tag is past its time, the manifest never is");
      t.same(cached("token"), new Set(["STALE"]), "tokens are our own");
      await expectOutage(t, proxy, lines, registry);
      await engine.stop();
      await containerd.stop();
      return lines;
    };

    /** What is private is for nobody whose right cannot be checked. */
    const refusals = async (t: Test): Promise<void> => {
      const from = proxy.log().length;
      const { attempt } = libpod(place, proxy.clientEnvironment);
      const copy = place.folder("stolen");
      const names = [
        privateImage,
        `${privateHost}/team/app@${mineImage.digest}`,
        `${secret}:1`,
        `${secret}@${secretDigest}`,
      ];
      const whom = [["--src-no-creds"], ["--src-creds", "bob:his own"], ["--src-creds", `alice:wrong`]];
      for (const name of names) {
        for (const credentials of whom) {
          const { code } = await attempt("skopeo", "copy", ...credentials, `docker://${name}`, `dir:${copy}`);
          t.not(code, 0, `${credentials.join(" ")} ${name}`);
        }
      }
      const engine = await startDockerd(place, proxy.clientEnvironment, "dx");
      t.not((await engine.attempt(["pull", privateImage])).code, 0, "dockerd without a login");
      const auth = Buffer.from("bob:his own").toString("base64");
      writeFileSync(
        join(place.folder("dx/client"), "config.json"),
        JSON.stringify({ auths: { [privateHost]: { auth } } }),
      );
      t.not((await engine.attempt(["pull", privateImage])).code, 0, "dockerd with another's login");
      t.not((await engine.attempt(["pull", `${secret}:1`])).code, 0, "dockerd with a token of the proxy's");
      await engine.stop();
      const given = proxy
        .log()
        .slice(from)
        .filter(({ repository, status }) => String(repository).startsWith("team/") && Number(status) < 400);
      t.same(given, [], "nothing of it left the proxy");
    };

    await t.test("machines that come then, and a proxy that knew it before", async (t) => {
      await pulls(t, "1");
    });

    await t.test("a private image, and who was served before", async (t) => {
      await warm.docker("pull", privateImage);
      t.match(await warm.docker("inspect", "--format", "{{json .RepoDigests}}", privateImage), mineImage.digest);
      await warm.docker("rmi", privateImage);
      await refusals(t);
    });

    await t.test("a proxy that is restarted meanwhile, and finds closed ports", async (t) => {
      await proxy.restart({});
      await pulls(t, "2");
      t.not((await warm.attempt(["pull", privateImage])).code, 0, "nobody can tell any more that she may");
      await refusals(t);
    });

    if (registry === gone.registry) {
      await t.test("a proxy that is restarted without HOST_MAP, and finds no such name", async (t) => {
        await proxy.restart({ HOST_MAP: "" });
        await pulls(t, "3");
        await refusals(t);
      });
    }

    t.notMatch(JSON.stringify(proxy.log()), /s3cret|his own|eyJ/, "no secret in the log");
  });
}

async function expectOutage(t: Test, proxy: Proxy, lines: Record<string, unknown>[], registry: string): Promise<void> {
  const opened = lines.filter(
    ({ event, origin, state }) => event === "breaker" && String(origin).includes(registry) && state === "open",
  );
  t.ok(opened.length > 0, "a line of the log says that the registry fails");
  t.match(opened[0]?.["msg"], "what is cached is served");
  const metric = (await proxy.metrics())
    .split("\n")
    .find((line) => line.startsWith("entrepot_breaker_open{") && line.includes(registry));
  t.match(metric, / 1$/, "and so does /metrics");
}
