import t, { type Test } from "tap";
import { criPull } from "./clients/cri.ts";
import { libpod } from "./clients/libpod.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startProxy } from "./daemons/proxy.ts";
import { skipWithout } from "./machine/programs.ts";
import { setGuarded } from "./stage.ts";

t.setTimeout(240_000);
const skip = skipWithout("dockerd", "docker", "runc", "containerd", "skopeo", "docker-registry", "openssl");

const users = {
  alice: { password: "alice's password", pull: ["team/private"], push: ["team/private"] },
  bob: { password: "bob's password", pull: [] },
};
const login = ["--username", "alice", "--password", users.alice.password] as const;

/** A registry that wants tokens of a service on another host, with the same image in a public and a private repository. */
async function guard(t: Test, registry: string, service: string, path: string) {
  const contents = { "library/public": registry, "team/private": registry };
  const guarded = await setGuarded(t, { registry, service, path, users, anonymous: ["library/public"], contents });
  const { tokens, images } = guarded;
  const image = images["team/private"];
  if (image === undefined) throw new Error("The registry has no image.");
  return {
    ...guarded,
    image,
    /** The users that asked for tokens while `action` ran; undefined is somebody without a name. */
    async askers(action: () => Promise<unknown>): Promise<(string | undefined)[]> {
      const from = tokens.requests.length;
      await action();
      return [...new Set(tokens.requests.slice(from).map(({ user }) => user))];
    },
  };
}

await t.test("Docker Hub, whose tokens come from auth.docker.io", { skip }, async (t: Test) => {
  const { place, authority, hostMap, image, askers } = await guard(
    t,
    "registry-1.docker.io",
    "auth.docker.io",
    "/token",
  );
  const proxy = await startProxy(place, { HOST_MAP: hostMap, UPSTREAM_CA_FILE: authority.file });
  const engine = await startDockerd(place, proxy.clientEnvironment);
  const containerd = await startContainerd(place, proxy.clientEnvironment);
  const { docker } = engine;

  await t.test("anonymous", async (t) => {
    t.same(await askers(() => docker("pull", "library/public:1")), [undefined]);
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", "library/public:1"), image.digest);
    t.equal(await criPull(containerd.socket, "docker.io/library/public:1"), image.blobs.at(-1));
  });

  await t.test("a private image is for nobody without a login", async (t) => {
    const { code, stderr } = await engine.attempt(["pull", "team/private:1"]);
    t.not(code, 0);
    t.match(stderr, /access denied|unauthorized|authentication required/i);
    await t.rejects(criPull(containerd.socket, "docker.io/team/private:1"), /denied|authorization|unauthorized/i);
  });

  await t.test("the client's own login", async (t) => {
    t.same(await askers(() => docker("login", ...login)), ["alice"]);
    t.same(await askers(() => docker("pull", "team/private:1")), ["alice"]);
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", "team/private:1"), image.digest);
    await docker("logout");
    await docker("rmi", "team/private:1");
  });

  await t.test("injected credentials, for clients that have none of their own", async (t) => {
    const injected = `auth.docker.io:::alice:::${users.alice.password}`;
    await proxy.restart({
      AUTH_REGISTRIES: injected,
      AUTH_REGISTRY_DELIMITER: ":::",
      AUTH_REGISTRIES_DELIMITER: ";;;",
    });
    t.same(await askers(() => docker("pull", "team/private:1")), ["alice"]);
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", "team/private:1"), image.digest);
    t.equal(await criPull(containerd.socket, "docker.io/team/private:1"), image.blobs.at(-1));
    const { skopeo, attempt } = libpod(place, proxy.clientEnvironment);
    const name = "docker://docker.io/team/private:1";
    t.equal(await skopeo("inspect", "--format", "{{.Digest}}", name), image.digest);

    const asBob = ["inspect", "--creds", `bob:${users.bob.password}`, "--format", "{{.Digest}}", name] as const;
    let refused = 0;
    t.same(await askers(async () => (refused = (await attempt("skopeo", ...asBob)).code)), ["bob"]);
    t.not(refused, 0, "the client's own login is not replaced by a better one");
    t.notMatch(JSON.stringify(proxy.log()), /alice's password|bob's password|eyJ/, "no secret in the log");
  });
});

await t.test("a registry whose tokens come from its main domain, as GitLab's", { skip }, async (t: Test) => {
  const registry = "registry.gitlab.test";
  const { place, authority, hostMap, image, askers } = await guard(t, registry, "gitlab.test", "/jwt/auth");
  const variables = {
    HOST_MAP: hostMap,
    REGISTRIES: `${registry} gitlab.test`,
    UPSTREAM_CA_FILE: authority.file,
    AUTH_REGISTRIES_DELIMITER: ";;;",
  };
  const name = `docker://${registry}/team/private:1`;
  const proxy = await startProxy(place, { ...variables, AUTH_REGISTRIES: `gitlab.test:alice:${users.alice.password}` });
  const { skopeo } = libpod(place, proxy.clientEnvironment);

  await t.test("credentials for the main domain", async (t) => {
    const copy = place.folder("first-copy");
    t.same(await askers(() => skopeo("copy", name, `dir:${copy}`)), ["alice"]);
    t.equal(await skopeo("inspect", "--format", "{{.Digest}}", name), image.digest);
  });

  await t.test("credentials for the registry: the proxy gets the tokens itself", async (t) => {
    await proxy.restart({ AUTH_REGISTRIES: `${registry}:alice:${users.alice.password}` });
    const copy = place.folder("second-copy");
    t.same(await askers(() => skopeo("copy", name, `dir:${copy}`)), ["alice"]);
    t.equal(await skopeo("inspect", "--format", "{{.Digest}}", name), image.digest);
  });
});
