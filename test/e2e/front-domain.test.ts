import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { frontClient } from "../fixtures/front-client.ts";
import { manifestAccept } from "../fixtures/proxy-client.ts";
import { libpod } from "./clients/libpod.ts";
import { startContainerd } from "./daemons/containerd.ts";
import { startUpstream } from "./daemons/docker-registry.ts";
import { startDockerd } from "./daemons/dockerd.ts";
import { startProxy } from "./daemons/proxy.ts";
import { ownEnvironment } from "./machine/environment.ts";
import type { Place } from "./machine/place.ts";
import { skipWithout } from "./machine/programs.ts";
import { run } from "./machine/run.ts";
import { type Guarded, setGuarded } from "./stage.ts";

t.setTimeout(240_000);
const skip = skipWithout(
  "dockerd",
  "docker",
  "runc",
  "containerd",
  "ctr",
  "skopeo",
  "docker-registry",
  "htpasswd",
  "openssl",
  "chromium",
);

const prefix = "team/images";
const registry = "registry.token.test";
const password = "hers:with:colons";
/** The front of each, one address of this machine for each: to clients they are hosts. */
const hosts = { none: "127.0.0.2", basic: "127.0.0.3", token: "127.0.0.4", lent: "127.0.0.5" };

/** One storage behind a registry without logins, one with htpasswd and one with tokens; a custom-domain front before each, and one with a credential of its own. */
async function setDomain(t: Test) {
  const guarded = await setGuarded(t, {
    registry,
    service: "tokens.token.test",
    path: "/auth/token",
    users: { alice: { password, pull: ["*"], push: [`${prefix}/closed`, `${prefix}/pushed`] } },
    anonymous: [`${prefix}/open`],
    contents: {
      [`${prefix}/open`]: "open",
      [`${prefix}/closed`]: "closed",
      "other/secret": "secret",
      "zebra/last": "z",
    },
  });
  const { place, authority } = guarded;
  const storage = place.folder("storage");
  const none = await startUpstream(place, { authority, hosts: ["none.test"], storage });
  const login = { user: "alice", password };
  const basic = await startUpstream(place, { authority, hosts: ["basic.test"], storage, login });
  const header = `Basic ${Buffer.from(`alice:${password}`).toString("base64")}`;
  const front = (name: keyof typeof hosts, registryHost: string) => ({
    front: "domain",
    name,
    hosts: [hosts[name]],
    registryHost,
    repoPrefix: prefix,
  });
  const fronts = [
    front("none", "none.test"),
    front("basic", "basic.test"),
    front("token", registry),
    { ...front("lent", registry), authHeader: header },
  ];
  const file = join(place.directory, "fronts.yaml");
  writeFileSync(file, JSON.stringify({ fronts }));
  const proxy = await startProxy(place, {
    CONFIG: file,
    HOST: ["127.0.0.1", ...Object.values(hosts)].join(" "),
    HOST_MAP: `${none.hostMap} ${basic.hostMap} ${guarded.hostMap}`,
    UPSTREAM_CA_FILE: authority.file,
  });
  const at = (host: keyof typeof hosts, name?: string): string =>
    [`${hosts[host]}:${proxy.port}`, ...(name === undefined ? [] : [name])].join("/");
  return { guarded, none, basic, proxy, at };
}

await t.test("a domain of one's own before docker-registry", { skip }, async (t: Test) => {
  const { guarded, none, basic, proxy, at } = await setDomain(t);
  const { place, images, tokens } = guarded;
  const engine = await startDockerd(place, {});
  const { docker } = engine;
  const containerd = await startContainerd(place, {});
  const { skopeo, attempt } = libpod(place, {});
  const plain = "--tls-verify=false";
  const open = images[`${prefix}/open`]?.digest ?? "";
  const closed = images[`${prefix}/closed`]?.digest ?? "";
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine.attempt(args);
    t.not(code, 0, args.join(" "));
    t.notMatch(stdout + stderr, /team\/images/, "and the prefix is not shown");
    return stderr;
  };
  const pulls = async (image: string, digest: string): Promise<void> => {
    await docker("pull", image);
    t.match(await docker("inspect", "--format", "{{json .RepoDigests}}", image), digest, image);
    await docker("rmi", image);
  };
  const login = (host: keyof typeof hosts, secret: string) =>
    ["login", "--username", "alice", "--password", secret, at(host)] as const;

  await t.test("docker without a login pulls what is open, and nothing else", async () => {
    await pulls(at("none", "open:1"), open);
    await pulls(at("none", "closed:1"), closed);
    await pulls(at("token", "open:1"), open);
    await pulls(at("lent", "closed:1"), closed);
    await refused("pull", at("basic", "open:1"));
    await refused("pull", at("token", "closed:1"));
    for (const host of ["none", "token", "lent"] as const) await refused("pull", at(host, "other/secret:1"));
  });

  for (const host of ["basic", "token"] as const) {
    await t.test(`docker with a login, at the registry with ${host} auth`, async (t) => {
      await refused(...login(host, "wrong"));
      await docker(...login(host, password));
      await pulls(at(host, "closed:1"), closed);
      await docker("pull", at("none", "open:1"));
      const pushed = at(host, "pushed:1");
      await docker("tag", at("none", "open:1"), pushed);
      await docker("push", pushed);
      await docker("rmi", pushed);
      await docker("pull", pushed);
      const digest = await docker("inspect", "--format", "{{json .RepoDigests}}", pushed);
      t.match(digest, await none.digest(`${prefix}/pushed`, "1"), "it lies below the prefix");
      await docker("rmi", pushed);
    });
  }

  await t.test("a push that the registry, or the front, does not allow", async (t) => {
    await docker("tag", at("none", "open:1"), at("token", "open:2"));
    await refused("push", at("token", "open:2"));
    await docker("tag", at("none", "open:1"), at("lent", "open:2"));
    t.match(await refused("push", at("lent", "open:2")), /AUTH_HEADER/, "says why");
  });

  await t.test("containerd", async (t) => {
    const fetch = ["content", "fetch", "--plain-http"] as const;
    await containerd.ctr(...fetch, at("token", "open:1"));
    t.match(await containerd.ctr("images", "ls"), open);
    t.not((await containerd.attempt(...fetch, at("token", "closed:1"))).code, 0);
    t.not((await containerd.attempt(...fetch, "--user", "alice:wrong", at("token", "closed:1"))).code, 0);
    for (const host of ["token", "basic"] as const)
      await containerd.ctr(...fetch, "--user", `alice:${password}`, at(host, "closed:1"));
    await containerd.ctr(...fetch, at("lent", "closed:1"));
    t.match(await containerd.ctr("images", "ls"), closed);
  });

  await t.test("skopeo", async (t) => {
    const inspect = ["inspect", plain, "--format", "{{.Digest}}"] as const;
    t.equal(await skopeo(...inspect, `docker://${at("token", "open:1")}`), open);
    for (const host of ["token", "basic"] as const) {
      const image = `docker://${at(host, "closed:1")}`;
      t.equal(await skopeo(...inspect, "--creds", `alice:${password}`, image), closed);
      t.not((await attempt("skopeo", ...inspect, "--creds", "alice:wrong", image)).code, 0);
    }
    t.match(JSON.parse(await skopeo("list-tags", plain, `docker://${at("token", "open")}`)), { Tags: ["1"] });
    const copied = `docker://${at("token", "closed:2")}`;
    const copy = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"] as const;
    await skopeo(...copy, "--dest-creds", `alice:${password}`, `docker://${at("token", "open:1")}`, copied);
    t.equal(await none.digest(`${prefix}/closed`, "2"), open);
  });

  await t.test("the catalog, page by page, has the prefix's repositories alone", async (t) => {
    const client = frontClient(proxy.port);
    const found: string[] = [];
    let path: string | undefined = "/v2/_catalog?n=1";
    while (path !== undefined) {
      const answer = await client.request(path, { host: hosts.none });
      found.push(...(JSON.parse(answer.body.toString()) as { repositories: string[] }).repositories);
      path = /<([^>]*)>/.exec(String(answer.headers["link"] ?? ""))?.[1];
    }
    t.same(found, ["closed", "open", "pushed"]);
  });

  await t.test("expired and forged tokens", async (t) => {
    const client = frontClient(proxy.port);
    const access = [{ type: "repository", name: `${prefix}/closed`, actions: ["pull"] }];
    const good = tokens.token("alice", access);
    for (const [token, status] of [
      [good, 200],
      [tokens.token("alice", access, -300), 401],
      [`${good.slice(0, -8)}AAAAAAAA`, 401],
    ] as const) {
      const headers = { accept: manifestAccept, authorization: `Bearer ${token}` };
      const answer = await client.request("/v2/closed/manifests/1", { host: hosts.token, headers });
      t.equal(answer.status, status);
      t.notMatch(JSON.stringify(answer.headers), /team\/images/);
    }
  });

  await t.test("a browser is sent to the pages of the registry", async (t) => {
    const page = await browsed(place, guarded, `http://${at("none", "open?tab=tags")}`);
    t.match(page, `/${prefix}/open?tab=tags`);
  });

  await t.test("with the registries gone what is open and held is still pulled", async () => {
    await guarded.stop();
    await basic.stop();
    await pulls(at("token", "open:1"), open);
    await pulls(at("lent", "closed:1"), closed);
    await docker("logout", at("basic"));
    await refused("pull", at("basic", "closed:1"));
  });

  t.notMatch(JSON.stringify(proxy.log()), /hers:with|eyJ/, "no secret in the log");
});

/** What Chromium shows in the end, where every registry's pages are one that says what it was asked for. */
async function browsed(place: Place, { authority }: Guarded, url: string): Promise<string> {
  const { key, certificate } = authority.issue("none.test");
  const pages = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
    response.setHeader("content-type", "text/html").end(`<p>${request.headers.host}${request.url}</p>`);
  }).listen(0, "127.0.0.1");
  await once(pages, "listening");
  place.atEnd(() => void pages.close());
  const { port } = pages.address() as AddressInfo;
  const home = place.folder("browser");
  const quiet =
    "headless no-sandbox disable-gpu disable-quic no-first-run no-proxy-server disable-background-networking";
  const flags = `${quiet} disable-component-update disable-sync disable-dev-shm-usage ignore-certificate-errors dump-dom`;
  const page = await run(
    "chromium",
    [
      ...flags.split(" ").map((flag) => `--${flag}`),
      `--user-data-dir=${home}`,
      `--host-resolver-rules=MAP none.test:443 127.0.0.1:${port}`,
      url,
    ],
    { env: ownEnvironment(home) },
  );
  pages.closeAllConnections();
  return page;
}
