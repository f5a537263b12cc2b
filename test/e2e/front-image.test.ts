import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { SignJWT } from "jose";
import t, { type Test } from "tap";
import { frontClient } from "../fixtures/front-client.ts";
import { manifestAccept } from "../fixtures/proxy-client.ts";
import { libpod } from "./clients/libpod.ts";
import { blobsFetched } from "./daemons/access-log.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startUpstream } from "./daemons/docker-registry.ts";
import { type Docker, startDockerd } from "./daemons/dockerd.ts";
import { type Proxy, startProxy } from "./daemons/proxy.ts";
import { makeImage } from "./images/image.ts";
import { makeAuthority } from "./machine/authority.ts";
import { openPlace, type Place } from "./machine/place.ts";
import { engines, skipWithout } from "./machine/programs.ts";
import { setGuarded } from "./stage.ts";

t.setTimeout(600_000);
const skip = skipWithout(...engines);

const alice = { user: "alice", password: "hers:with:colons" };
const pair = `${alice.user}:${alice.password}`;
const ACCOUNTS = Buffer.from(pair).toString("base64");
const registry = "registry.private.test";

/** The image proxy in front of `https://host`, with what else a user of it would set. */
function startImageProxy(
  place: Place,
  upstream: { readonly host: string; readonly hostMap: string; readonly rootFile: string },
  variables: Readonly<Record<string, string>>,
): Promise<Proxy> {
  return startProxy(place, (url) => ({
    UPSTREAM_REGISTRY: `https://${upstream.host}`,
    SELF_REGISTRY: url,
    HOST_MAP: upstream.hostMap,
    UPSTREAM_CA_FILE: upstream.rootFile,
    REGISTRIES: "none",
    ...variables,
  }));
}

/** `docker login`; whether it succeeded. */
async function logsIn(engine: Docker, host: string, { user, password }: typeof alice): Promise<boolean> {
  const { code } = await engine.attempt(["login", "--username", user, "--password", password, host]);
  return code === 0;
}

/** What each client makes of an image; true where it got it. */
function pullers(place: Place, engine: Docker, containerd: Awaited<ReturnType<typeof startContainerd>>) {
  const { attempt } = libpod(place, {});
  return {
    docker: async (image: string) => {
      const { code } = await engine.attempt(["pull", image]);
      if (code === 0) await engine.docker("rmi", image);
      return code === 0;
    },
    containerd: async (image: string, login?: string) => {
      const user = login === undefined ? [] : ["--user", login];
      const { code } = await containerd.attempt("images", "pull", "--plain-http", ...user, image);
      if (code === 0) await containerd.ctr("images", "rm", "--sync", image);
      return code === 0;
    },
    skopeo: async (image: string, login?: string) => {
      const creds = login === undefined ? ["--src-no-creds"] : ["--src-creds", login];
      const copy = `dir:${place.folder(`copy-${Math.random()}`)}`;
      const { code } = await attempt("skopeo", "copy", "--src-tls-verify=false", ...creds, `docker://${image}`, copy);
      return code === 0;
    },
  };
}

await t.test("an open registry behind accounts", { skip }, async (t: Test) => {
  const place = openPlace(t);
  const authority = makeAuthority(place);
  const hub = "registry-1.docker.io";
  const upstream = await startUpstream(place, { authority, hosts: [hub] });
  const image = makeImage(place.folder("image"), "open to all");
  await upstream.push(image, "team/deep/app:1");
  for (const other of ["a", "b", "c"]) await upstream.push(image, `more/${other}:1`);
  const index = await startIndex(t, authority.issue("index.docker.io"));
  const hostMap = `${upstream.hostMap} index.docker.io:443=127.0.0.1:${index.port}`;
  const proxy = await startImageProxy(place, { host: hub, hostMap, rootFile: authority.file }, { ACCOUNTS });
  const host = `127.0.0.1:${proxy.port}`;
  const name = `${host}/team/deep/app:1`;
  const engine = await startDockerd(place, {}, "d1");
  const containerd = await startContainerd(place, {}, "c1");
  const pull = pullers(place, engine, containerd);

  await t.test("nobody, and a wrong password, are refused by us", async (t) => {
    const seen = await upstream.during(async () => {
      t.notOk(await pull.docker(name));
      t.notOk(await pull.containerd(name));
      t.notOk(await pull.skopeo(name));
      t.notOk(await logsIn(engine, host, { ...alice, password: "wrong" }));
      t.notOk(await pull.containerd(name, "alice:wrong"));
      t.notOk(await pull.skopeo(name, "alice:wrong"));
    });
    t.same(
      seen.filter(({ path }) => path !== "/v2/"),
      [],
    );
  });

  await t.test("an account pulls with every client, each blob once from the registry", async (t) => {
    const seen = await upstream.during(async () => {
      t.ok(await logsIn(engine, host, alice));
      await engine.docker("pull", name);
      t.match(await engine.docker("inspect", "--format", "{{json .RepoDigests}}", name), image.digest);
      t.ok(await pull.containerd(name, pair));
      t.ok(await pull.skopeo(name, pair));
    });
    t.same(blobsFetched(seen).toSorted(), [...image.blobs].toSorted());
  });

  await t.test("and pushes, as the registry lets everybody", async (t) => {
    const pushed = `${host}/pushed/by-docker:1`;
    await engine.docker("tag", name, pushed);
    await engine.docker("push", pushed);
    t.match(await upstream.digest("pushed/by-docker", "1"), /^sha256:/);
    const { skopeo } = libpod(place, {});
    const copy = ["copy", "--dest-tls-verify=false", "--dest-creds", pair, `oci:${image.layout}`];
    await skopeo(...copy, `docker://${host}/pushed/by-skopeo:1`);
    t.equal(await upstream.digest("pushed/by-skopeo", "1"), image.digest);
  });

  await t.test("skopeo lists tags, and a catalog's pages lead on here", async (t) => {
    const { skopeo } = libpod(place, {});
    const tags = await skopeo("list-tags", "--tls-verify=false", "--creds", pair, `docker://${host}/more/a`);
    t.match(JSON.parse(tags), { Tags: ["1"] });
    const front = frontClient(proxy.port);
    const headers = { authorization: `Basic ${ACCOUNTS}` };
    const found: string[] = [];
    let next: string | undefined = "/v2/_catalog?n=2";
    while (next !== undefined) {
      const page = await front.request(next, { headers });
      t.equal(page.status, 200);
      found.push(...(JSON.parse(page.body.toString()) as { repositories: string[] }).repositories);
      next = /<([^>]*)>/.exec(String(page.headers["link"] ?? ""))?.[1];
    }
    t.same(found, ["more/a", "more/b", "more/c", "pushed/by-docker", "pushed/by-skopeo", "team/deep/app"]);
  });

  await t.test("docker search asks the registry's index, for accounts", async (t) => {
    t.match(await engine.docker("search", "--limit", "7", `${host}/app`), "library/found-app");
    t.same(index.asked, ["/v1/search?q=app&n=7 without Authorization"]);
    await engine.docker("logout", host);
    const { code, stderr } = await engine.attempt(["search", `${host}/app`]);
    t.not(code, 0);
    t.match(stderr, /401|unauthorized|log in/i);
    t.equal(index.asked.length, 1);
  });

  await t.test("a token that says it is ours is believed only if it is", async (t) => {
    const secret = "what instances behind one name share";
    await proxy.restart({ ACCOUNTS, SERVER_SECRET: secret });
    const now = Math.floor(Date.now() / 1000);
    const token = (ends: number, key = secret): Promise<string> =>
      new SignJWT({ access: [] })
        .setProtectedHeader({ alg: "HS256" })
        .setIssuer("docker-image-proxy")
        .setAudience("docker-image-proxy")
        .setSubject("alice")
        .setNotBefore(now - 600)
        .setExpirationTime(now + ends)
        .sign(Buffer.from(key));
    const ask = async (bearer: string): Promise<number> => {
      const headers = { accept: manifestAccept, authorization: `Bearer ${bearer}` };
      return (await frontClient(proxy.port).request("/v2/team/deep/app/manifests/1", { headers })).status;
    };
    t.equal(await ask(await token(600)), 200, "of another instance");
    t.equal(await ask(await token(-60)), 401, "expired");
    t.equal(await ask(await token(600, "a guess")), 401, "forged");
  });

  await t.test("several processes take each other's tokens", async (t) => {
    await proxy.restart({ ACCOUNTS, WORKERS: "2" });
    t.ok(await logsIn(engine, host, alice));
    await engine.docker("rmi", "--force", name);
    t.ok(await pull.docker(name));
    t.ok(await pull.containerd(name, pair));
    t.ok(await pull.skopeo(name, pair));
  });

  t.notMatch(JSON.stringify(proxy.log()), /hers:with|eyJ|YWxpY2U/, "no secret in the log");
});

await t.test("a registry with htpasswd", { skip }, async (t: Test) => {
  const place = openPlace(t);
  const authority = makeAuthority(place);
  const login = { user: "owner", password: "the owner's" };
  const owner = `${login.user}:${login.password}`;
  const upstream = await startUpstream(place, { authority, hosts: [registry], login });
  const image = makeImage(place.folder("image"), "for its users");
  await upstream.push(image, "team/app:1");
  const way = { host: registry, hostMap: upstream.hostMap, rootFile: authority.file };
  const proxy = await startImageProxy(place, way, {});
  const host = `127.0.0.1:${proxy.port}`;
  const name = `${host}/team/app:1`;
  const engine = await startDockerd(place, {}, "d1");
  const containerd = await startContainerd(place, {}, "c1");
  const pull = pullers(place, engine, containerd);

  await t.test("without accounts its own users log in, pull and push", async (t) => {
    t.notOk(await pull.docker(name));
    t.notOk(await pull.skopeo(name));
    t.notOk(await logsIn(engine, host, { ...login, password: "wrong" }));
    t.ok(await logsIn(engine, host, login));
    await engine.docker("pull", name);
    t.ok(await pull.containerd(name, owner));
    t.ok(await pull.skopeo(name, owner));
    t.notOk(await pull.skopeo(name, "owner:wrong"), "though it is held");
    await engine.docker("tag", name, `${host}/pushed/app:1`);
    await engine.docker("push", `${host}/pushed/app:1`);
    t.match(await upstream.digest("pushed/app", "1"), /^sha256:/);
    await engine.docker("logout", host);
  });

  await t.test("with accounts and its credential in AUTH_REGISTRIES they pull, and push nothing", async (t) => {
    // The part delimiter is not in the user or the password.
    const secrets = { AUTH_REGISTRIES: `${registry}|||${login.user}|||${login.password}` };
    const delimiters = { AUTH_REGISTRIES_DELIMITER: ";;;", AUTH_REGISTRY_DELIMITER: "|||" };
    await proxy.restart({ ACCOUNTS, ...secrets, ...delimiters });
    t.notOk(await logsIn(engine, host, login), "the registry's own user has no account");
    t.notOk(await pull.skopeo(name, owner));
    t.ok(await logsIn(engine, host, alice));
    t.ok(await pull.docker(`${host}/pushed/app:1`));
    t.ok(await pull.containerd(name, pair));
    t.ok(await pull.skopeo(name, pair));
    await engine.docker("pull", name);
    await engine.docker("tag", name, `${host}/pushed/other:1`);
    const { code, stderr } = await engine.attempt(["push", `${host}/pushed/other:1`]);
    t.not(code, 0);
    t.match(stderr, /reads the registry behind it/, "docker says why");
  });
});

await t.test("a registry with a token service", { skip }, async (t: Test) => {
  const users = {
    carol: { password: "carol's own", pull: ["team/secret"], push: ["team/secret", "carol/pushed"] },
  };
  const carol = "carol:carol's own";
  const guarded = await setGuarded(t, {
    registry,
    service: "tokens.private.test",
    path: "/service/tokens",
    users,
    anonymous: ["library/public", "other/public"],
    contents: { "library/public": "for all", "other/public": "for all too", "team/secret": "for carol" },
  });
  const { place, authority } = guarded;
  const way = { host: registry, hostMap: guarded.hostMap, rootFile: authority.file };
  const proxy = await startImageProxy(place, way, {});
  const host = `127.0.0.1:${proxy.port}`;
  const shown = `${host}/library/public:1`;
  const secret = `${host}/team/secret:1`;
  const engine = await startDockerd(place, {}, "d1");
  const containerd = await startContainerd(place, {}, "c1");
  const pull = pullers(place, engine, containerd);
  const digest = guarded.images["library/public"]?.digest ?? "";

  await t.test("without accounts its own users log in, pull and push as it lets them", async (t) => {
    t.ok(await pull.docker(shown), "what is public needs no login");
    t.ok(await pull.containerd(shown));
    t.ok(await pull.skopeo(shown));
    t.notOk(await pull.docker(secret));
    t.notOk(await logsIn(engine, host, { user: "carol", password: "wrong" }));
    t.ok(await logsIn(engine, host, { user: "carol", password: users.carol.password }));
    await engine.docker("pull", secret);
    t.ok(await pull.containerd(secret, carol));
    t.ok(await pull.skopeo(secret, carol));
    t.notOk(await pull.skopeo(secret), "nobody, though it is held");
    await engine.docker("tag", secret, `${host}/carol/pushed:1`);
    await engine.docker("push", `${host}/carol/pushed:1`);
    await engine.docker("tag", secret, `${host}/library/public:2`);
    t.not((await engine.attempt(["push", `${host}/library/public:2`])).code, 0, "not hers");
    await engine.docker("logout", host);
  });

  await t.test("accounts read what is public, and nothing in anybody's name", async (t) => {
    await proxy.restart({ ACCOUNTS });
    t.notOk(await pull.docker(shown), "without a login");
    t.notOk(await logsIn(engine, host, { user: "carol", password: users.carol.password }));
    const asked = guarded.tokens.requests.length;
    t.ok(await logsIn(engine, host, alice));
    t.ok(await pull.docker(shown));
    t.ok(await pull.containerd(shown, pair));
    t.ok(await pull.skopeo(shown, pair));
    t.notOk(await pull.docker(secret));
    t.notOk(await pull.skopeo(secret, pair));
    const askers = guarded.tokens.requests.slice(asked).map(({ user }) => user);
    t.ok(askers.length > 0 && askers.every((user) => user === undefined), "her password stays here");
    await engine.docker("pull", shown);
    await engine.docker("tag", shown, `${host}/library/public:3`);
    const { code, stderr } = await engine.attempt(["push", `${host}/library/public:3`]);
    t.not(code, 0);
    t.match(stderr, /reads the registry behind it/);
  });

  await t.test("a token that was not got here is refused, a good, an expired and a forged one", async (t) => {
    const front = frontClient(proxy.port);
    const access = [{ type: "repository", name: "library/public", actions: ["pull"] }];
    const path = "/v2/library/public/manifests/1";
    for (const token of [
      guarded.tokens.token("carol", access),
      guarded.tokens.token("carol", access, -60),
      `${guarded.tokens.token("carol", access).slice(0, -8)}AAAAAAAA`,
    ]) {
      const headers = { accept: manifestAccept, authorization: `Bearer ${token}` };
      const answer = await front.request(path, { headers });
      t.equal(answer.status, 401);
      t.match(answer.headers["www-authenticate"], `Bearer realm="${proxy.url}/v2/auth",service="${registry}"`);
    }
  });

  await t.test("one token for several repositories", async (t) => {
    const front = frontClient(proxy.port);
    const headers = { authorization: `Basic ${ACCOUNTS}` };
    const scopes = ["library/public", "other/public"].map((one) => `&scope=repository:${one}:pull`).join("");
    const answer = await front.request(`/v2/auth?service=${registry}${scopes}`, { headers });
    const { token } = JSON.parse(answer.body.toString()) as { token: string };
    for (const one of ["library/public", "other/public"]) {
      const got = await front.request(`/v2/${one}/manifests/1`, {
        headers: { accept: manifestAccept, authorization: `Bearer ${token}` },
      });
      t.equal(got.status, 200, one);
    }
  });

  await t.test(
    "while the registry and its service are gone, accounts are served what is held and public",
    async (t) => {
      await guarded.stop();
      await proxy.restart({ ACCOUNTS });
      const from = proxy.log().length;
      const later = await startDockerd(place, {}, "d2");
      t.notOk(await logsIn(later, host, { ...alice, password: "wrong" }));
      t.ok(await logsIn(later, host, alice));
      await later.docker("pull", shown);
      t.match(await later.docker("inspect", "--format", "{{json .RepoDigests}}", shown), digest);
      const fresh = pullers(place, later, await startContainerd(place, {}, "c2"));
      t.ok(await fresh.containerd(shown, pair), "containerd");
      t.ok(await fresh.skopeo(shown, pair), "skopeo");
      t.notOk(await fresh.docker(secret), "what is private is not served");
      t.notOk(await fresh.skopeo(secret, pair));
      t.notOk(await fresh.skopeo(shown), "nor is nobody");
      const lines = proxy.log().slice(from);
      const blobs = lines.filter(({ kind, status }) => kind === "blob" && status === 200);
      t.same(new Set(blobs.map((line) => line["cache"])), new Set(["HIT"]));
      t.ok(blobs.every((line) => line["front"] === "image"));
    },
  );

  await t.test("and so is a machine that logged in before the proxy was restarted", async () => {
    await engine.docker("rmi", "--force", shown, `${host}/library/public:3`);
    await proxy.restart({ ACCOUNTS });
    await engine.docker("pull", shown);
  });

  t.notMatch(JSON.stringify(proxy.log()), /hers:with|carol's|eyJ|YWxpY2U/, "no secret in the log");
});

/** Docker Hub's index: what `docker search` asks for. */
async function startIndex(
  t: Test,
  files: { readonly key: string; readonly certificate: string },
): Promise<{ readonly port: number; readonly asked: string[] }> {
  const asked: string[] = [];
  const server: Server = createServer(
    { key: readFileSync(files.key), cert: readFileSync(files.certificate) },
    (request, response) => {
      asked.push(`${request.url} ${request.headers.authorization === undefined ? "without" : "with"} Authorization`);
      const results = [{ name: "library/found-app", description: "found", star_count: 7, is_official: true }];
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ num_results: 1, query: "app", results }));
    },
  );
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked };
}
