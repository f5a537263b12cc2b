import { readFileSync } from "node:fs";
import t, { type Test } from "tap";
import { manifestAccept, ProxyClient } from "../fixtures/proxy-client.ts";
import { libpod } from "./clients/libpod.ts";
import { blobRequests, blobsFetched } from "./daemons/access-log.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startProxy } from "./daemons/proxy.ts";
import { skipWithout } from "./machine/programs.ts";
import { setGuarded } from "./stage.ts";

t.setTimeout(240_000);
const skip = skipWithout("dockerd", "docker", "runc", "skopeo", "podman", "docker-registry", "openssl");

const registry = "registry.private.test";
const users = {
  alice: { password: "hers", pull: ["team/app"] },
  bob: { password: "his", pull: ["bob/own"] },
};
type User = keyof typeof users;
const by = (user: User): string => `${user}:${users[user].password}`;

await t.test("two users of one private registry", { skip }, async (t: Test) => {
  const guarded = await setGuarded(t, {
    registry,
    service: "tokens.private.test",
    path: "/auth/token",
    users,
    contents: { "team/app": "alice's", "bob/own": "bob's" },
  });
  const { place, authority, upstream } = guarded;
  const { digest = "", blobs = [] } = guarded.images["team/app"] ?? {};
  const proxy = await startProxy(place, {
    HOST_MAP: guarded.hostMap,
    REGISTRIES: `${registry} tokens.private.test`,
    UPSTREAM_CA_FILE: authority.file,
  });
  // An engine keeps manifests longer than images, so that each user has one of his own.
  const engines = {
    alice: await startDockerd(place, proxy.clientEnvironment, "d-alice"),
    bob: await startDockerd(place, proxy.clientEnvironment, "d-bob"),
  };
  for (const user of ["alice", "bob"] as const) {
    await engines[user].docker("login", "--username", user, "--password", users[user].password, registry);
  }
  const pods = libpod(place, proxy.clientEnvironment);
  const tag = `${registry}/team/app:1`;
  const byDigest = `${registry}/team/app@${digest}`;
  const throughHisOwn = `${registry}/bob/own@${digest}`;

  /** Each pulls with the login of `user`; true where it succeeds. What it pulled is removed again. */
  const clients: Record<string, (user: User, image: string) => Promise<boolean>> = {
    async docker(user, image) {
      const engine = engines[user];
      const { code } = await engine.attempt(["pull", image]);
      if (code === 0) await engine.docker("rmi", image);
      return code === 0;
    },
    async skopeo(user, image) {
      const copy = place.folder(`copy-${Math.random()}`);
      const { code } = await pods.attempt(
        "skopeo",
        "copy",
        "--src-creds",
        by(user),
        `docker://${image}`,
        `dir:${copy}`,
      );
      return code === 0;
    },
    async podman(user, image) {
      const { code } = await pods.attempt("podman", "pull", "--creds", by(user), image);
      if (code === 0) await pods.podman("rmi", image);
      return code === 0;
    },
  };
  const statuses = (kind: string, from: number) =>
    new Set(
      proxy
        .log()
        .slice(from)
        .flatMap((line) => (line["kind"] === kind && line["status"] === 200 ? [line["cache"]] : [])),
    );
  const caPem = readFileSync(proxy.root, "utf8");
  /** Asks with one token for a blob and the manifest of alice's alone, as no client's command does; the statuses of the answers. */
  const ask = async (user: User, repository: string, first?: string): Promise<number[]> => {
    const credentials = { user, password: users[user].password };
    const client = new ProxyClient({ proxyPort: proxy.port, host: registry, caPem, credentials });
    const headers = { accept: manifestAccept, ...(await client.authorize(repository)) };
    const paths = [...(first === undefined ? [] : [first]), `blobs/${blobs[0]}`, `manifests/${digest}`];
    const answers: number[] = [];
    for (const path of paths) answers.push((await client.request(`/v2/${repository}/${path}`, { headers })).status);
    client.close();
    return answers;
  };

  await t.test("alice, cold", async (t) => {
    const seen = await upstream.during(async () => t.ok(await clients["docker"]?.("alice", tag)));
    t.same(blobsFetched(seen).toSorted(), [...blobs].toSorted());
  });

  for (const [name, pull] of Object.entries(clients)) {
    await t.test(`bob with ${name} is refused`, async (t) => {
      const from = proxy.log().length;
      const seen = await upstream.during(async () => {
        t.notOk(await pull("bob", tag), "by tag");
        t.notOk(await pull("bob", byDigest), "by the manifest's digest");
        t.notOk(await pull("bob", throughHisOwn), "by the manifest's digest, in a repository that he may read");
      });
      t.same(blobRequests(seen), []);
      t.same(statuses("blob", from), new Set(), "he got no blob");
      t.same(statuses("manifest", from), new Set(), "and no manifest");
      t.ok(await pull("bob", `${registry}/bob/own:1`), "what is his he gets");
    });
    await t.test(`alice with ${name}, warm`, async (t) => {
      for (const image of [tag, byDigest]) {
        const from = proxy.log().length;
        const seen = await upstream.during(async () => t.ok(await pull("alice", image), image));
        // A new token may cost a HEAD, and never a byte.
        t.same(blobsFetched(seen), [], "the registry sends no blob");
        t.same(statuses("blob", from), new Set(["HIT"]));
      }
    });
  }

  await t.test("a blob or a manifest by its digest", async (t) => {
    t.same(await ask("alice", "team/app"), [200, 200]);
    t.same(await ask("bob", "team/app"), [401, 401]);
    // The first is his: with this very token he may read the repository.
    const his = `blobs/${guarded.images["bob/own"]?.blobs[0]}`;
    t.same(await ask("bob", "bob/own", his), [200, 404, 404], "in a repository that he may read");
  });

  await t.test("nobody", async (t) => {
    const from = proxy.log().length;
    await engines.bob.docker("logout", registry);
    for (const image of [tag, byDigest, throughHisOwn]) {
      t.not((await engines.bob.attempt(["pull", image])).code, 0, image);
      t.not((await pods.attempt("skopeo", "inspect", `docker://${image}`)).code, 0, image);
    }
    t.same(statuses("manifest", from), new Set());
    await engines.bob.docker("login", "--username", "bob", "--password", users.bob.password, registry);
  });

  await t.test("after a restart alice is asked about again, bob still refused", async (t) => {
    await proxy.restart({});
    for (const pull of Object.values(clients)) t.notOk(await pull("bob", byDigest));
    const seen = await upstream.during(async () => t.ok(await clients["docker"]?.("alice", tag)));
    t.same(blobsFetched(seen), []);
  });

  await t.test("CACHE_ACCESS=shared gives it to everybody", async (t) => {
    await proxy.restart({ CACHE_ACCESS: "shared", ENABLE_MANIFEST_CACHE: "true" });
    // The tag is fresh for its hour from now on.
    t.ok(await clients["docker"]?.("alice", tag));
    for (const [name, pull] of Object.entries(clients)) {
      const seen = await upstream.during(async () => {
        t.ok(await pull("bob", tag), `bob with ${name} by tag`);
        t.ok(await pull("bob", byDigest), `bob with ${name} by digest`);
      });
      t.same(blobRequests(seen), []);
    }
    t.same(await ask("bob", "bob/own"), [200, 200], "by any path");
    t.match(proxy.screen(), /every client .*private images included/, "start-up says what that means");
  });

  t.notMatch(JSON.stringify(proxy.log()), /eyJ/, "no token in the log");
});
