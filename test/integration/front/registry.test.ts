import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import bcrypt from "bcryptjs";
import t, { type Test } from "tap";
import { parseChallenges } from "../../../src/core/challenge.ts";
import { frontClient } from "../../fixtures/front-client.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import { startProxy } from "../../fixtures/proxy.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { exchangeLines, hub, lineOf, MovableClock, ociError, stage, until } from "../stage.ts";

const accept = { accept: manifestAccept };
const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

function folder(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-front-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Docker Hub, and a registry with everything the front can have. */
async function open(t: Test, env: Record<string, string> = {}) {
  const reg = await startRegistry(t, { names: ["reg.test:5000"] });
  const set = await stage(t, { env: { REGISTRY_STORAGE: join(folder(t), "registry"), ...env }, upstreams: [reg] });
  return { ...set, reg, client: frontClient(set.proxy.port) };
}

t.test("below proxy/ other registries are pulled through, and all is cached", async (t) => {
  const { registry, reg, proxy, client } = await open(t);
  const image = reg.image({ repository: "team/app", tag: "1", layers: [Buffer.from("layer")] });
  const hello = registry.image({ repository: "library/hello-world", tag: "latest", layers: [Buffer.from("hello")] });
  const base = "/v2/proxy/reg.test:5000/team/app";
  const first = await client.request(`${base}/manifests/1`, { headers: accept });
  t.match(first, { status: 200, headers: { "docker-content-digest": image.manifest.digest } });
  t.equal(first.headers["proxy-docker-cache"], "MISS");
  const [layer] = image.layers;
  for (const expected of ["MISS", "HIT"]) {
    const blob = await client.request(`${base}/blobs/${layer?.digest}`);
    t.match(blob, { status: 200, headers: { "proxy-docker-cache": expected } });
    t.equal(blob.body.toString(), "layer");
  }
  const part = await client.request(`${base}/blobs/${layer?.digest}`, { headers: { range: "bytes=1-3" } });
  t.match(part, { status: 206, headers: { "content-range": "bytes 1-3/5" } });
  t.equal((await client.request(`${base}/blobs/${layer?.digest}`, { method: "HEAD" })).headers["content-length"], "5");
  for (const host of ["registry-1.docker.io/library", "docker.io/library", "docker.io", "Docker.io"]) {
    const answer = await client.request(`/v2/proxy/${host}/hello-world/manifests/latest`, { headers: accept });
    t.match(answer, { status: 200, headers: { "docker-content-digest": hello.manifest.digest } }, host);
  }
  t.match(await lineOf(proxy, ({ cache }) => cache === "HIT"), { front: "registry", origin: "reg.test:5000" });
});

t.test("lists, their pages and errors name what the client asks for", async (t) => {
  const { reg, client } = await open(t);
  for (const tag of ["1", "2", "3"]) reg.image({ repository: "team/app", tag, layers: [Buffer.from(tag)] });
  const base = "/v2/proxy/reg.test:5000";
  const tags = await client.request(`${base}/team/app/tags/list?n=2`);
  t.same(JSON.parse(tags.body.toString()), { name: "proxy/reg.test:5000/team/app", tags: ["1", "2"] });
  const next = /<([^>]*)>/.exec(String(tags.headers["link"]))?.[1] ?? "";
  t.match(next, /^\/v2\/proxy\/reg\.test:5000\/team\/app\/tags\/list\?/);
  t.same(JSON.parse((await client.request(next)).body.toString()).tags, ["3"]);
  const catalog = JSON.parse((await client.request(`${base}/_catalog`)).body.toString()) as unknown;
  t.same(catalog, { repositories: ["proxy/reg.test:5000/team/app"] });
  t.equal((await client.request(`${base}/team/app/manifests/none`, { headers: accept })).status, 404);
});

t.test("a registry that is not served, and one that is none, are refused with what to do", async (t) => {
  const { client } = await open(t);
  const denied = await client.request("/v2/proxy/unknown.test/app/manifests/1");
  t.equal(denied.status, 403);
  t.match(ociError(denied), { code: "DENIED", message: /unknown\.test is not among .* REGISTRIES/ });
  const none = ["", "/", "//app/manifests/1", "/a%2Fb/app/manifests/1", "/app/manifests/1", "/%2E%2E/app/manifests/1"];
  for (const path of none.map((rest) => `/v2/proxy${rest}`))
    t.ok([400, 404].includes((await client.request(path)).status), path);
  const push = await client.request(`/v2/proxy/${hub}/app/blobs/uploads/`, { method: "POST" });
  t.match(push, { status: 405, headers: { allow: "GET, HEAD" } });
  t.match(ociError(push), { code: "UNSUPPORTED", message: /push under another name/ });
});

t.test("every other name is what was pushed here", async (t) => {
  const { client } = await open(t);
  t.equal((await client.request("/v2/")).status, 200);
  const body = Buffer.from("pushed");
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  const posted = await client.request(`/v2/team/own/blobs/uploads/?digest=${digest}`, { method: "POST", body });
  t.equal(posted.status, 201);
  t.equal((await client.request(String(posted.headers["location"]))).body.toString(), "pushed");
});

t.test("with accounts, nothing is served without one, and what it sends goes no further", async (t) => {
  const htpasswd = join(folder(t), "htpasswd");
  writeFileSync(htpasswd, `bob:${bcrypt.hashSync("secret", 4)}\n`);
  const accounts = Buffer.from("alice:wonder:land").toString("base64");
  const { reg, proxy, client } = await open(t, { ACCOUNTS: accounts, HTPASSWD_FILE: htpasswd });
  reg.image({ repository: "team/app", tag: "1", layers: [Buffer.from("layer")] });
  const pull = "/v2/proxy/reg.test:5000/team/app/manifests/1";
  for (const path of ["/v2/", pull, "/v2/team/own/tags/list"])
    for (const authorization of [undefined, basic("alice:wonder"), basic("bob:wonder:land"), "Bearer x"]) {
      const answer = await client.request(path, authorization === undefined ? {} : { headers: { authorization } });
      t.match(answer, { status: 401, headers: { "www-authenticate": 'Basic realm="entrepot"' } }, path);
      t.equal(ociError(answer).code, "UNAUTHORIZED");
    }
  t.equal(reg.requests.length, 0);
  for (const authorization of [basic("alice:wonder:land"), basic("bob:secret")]) {
    t.equal((await client.request("/v2/", { headers: { authorization } })).status, 200);
    t.equal((await client.request(pull, { headers: { ...accept, authorization, cookie: "a=b" } })).status, 200);
  }
  t.ok(reg.requests.every(({ headers }) => headers["authorization"] === undefined && headers["cookie"] === undefined));
  await proxy.stop();
  t.notMatch(JSON.stringify(proxy.logLines), /wonder|secret|d29uZGVy|YWxpY2U/);
});

t.test("anonymous tokens and AUTH_REGISTRIES stand behind clients that send nothing", async (t) => {
  const names = ["auth.guarded.test"];
  const users = { robot: { password: "robots", pull: ["team/hidden"] } };
  const tokens = await startTokenServer(t, {
    names,
    realmPort: 443,
    anonymous: ["team/open"],
    service: "guarded.test",
    users,
  });
  const guarded = await startRegistry(t, { names: ["guarded.test"], authorize: tokens.authorize });
  for (const repository of ["team/open", "team/hidden"])
    guarded.image({ repository, tag: "1", layers: [Buffer.from(repository)] });
  const pull = (repository: string): string => `/v2/proxy/guarded.test/${repository}/manifests/1`;
  const anonymous = await stage(t, { env: { PROXY_STORAGE: folder(t) }, upstreams: [guarded, tokens] });
  const nobody = frontClient(anonymous.proxy.port);
  t.equal((await nobody.request("/v2/")).status, 200);
  t.equal((await nobody.request(pull("team/open"), { headers: accept })).status, 200);
  t.equal((await nobody.request(pull("team/hidden"), { headers: accept })).status, 401);
  t.match(ociError(await nobody.request("/v2/app/manifests/1")), { message: /REGISTRY_STORAGE/ });
  await until(() => exchangeLines(anonymous.proxy).length >= 4);
  t.equal(exchangeLines(anonymous.proxy).length, 4);

  const accounts = Buffer.from("alice:wonderland").toString("base64");
  const closed = await stage(t, {
    env: { PROXY_STORAGE: folder(t), ACCOUNTS: accounts },
    upstreams: [guarded, tokens],
  });
  const headers = { ...accept, authorization: basic("alice:wonderland") };
  t.equal((await frontClient(closed.proxy.port).request(pull("team/open"), { headers })).status, 200);
  const refused = await frontClient(closed.proxy.port).request(pull("team/hidden"), { headers });
  t.equal(refused.status, 401);
  t.equal(
    refused.headers["www-authenticate"],
    undefined,
    "no client sends our account to the registry's token service",
  );

  const env = { AUTH_REGISTRIES: "guarded.test:robot:robots", PROXY_STORAGE: folder(t) };
  const shared = await stage(t, { env, upstreams: [guarded, tokens] });
  const client = frontClient(shared.proxy.port);
  t.equal((await client.request(pull("team/hidden"), { headers: accept })).status, 200);
});

t.test(
  "without accounts a client's own login opens what its registry opens for it, by a token that it gets here",
  async (t) => {
    const users = { alice: { password: "wonderland", pull: ["team/hidden"] } };
    const tokens = await startTokenServer(t, { names: ["auth.test"], realmPort: 443, service: "guarded.test", users });
    const guarded = await startRegistry(t, { names: ["guarded.test"], authorize: tokens.authorize });
    const image = guarded.image({ repository: "team/hidden", tag: "1", layers: [Buffer.from("layer")] });
    const { proxy } = await stage(t, { env: { PROXY_STORAGE: folder(t) }, upstreams: [guarded, tokens] });
    const client = frontClient(proxy.port);
    const base = "/v2/proxy/guarded.test/team/hidden";
    const refused = await client.request(`${base}/manifests/1`, { headers: accept });
    t.equal(refused.status, 401);
    const [challenge] = parseChallenges(String(refused.headers["www-authenticate"]));
    const realm = `http://127.0.0.1:${proxy.port}/v2/proxy/guarded.test/_token`;
    const scope = "repository:proxy/guarded.test/team/hidden:pull";
    t.match(challenge, { scheme: "bearer", parameters: { realm, service: "guarded.test", scope } });
    const ask = new URLSearchParams({ service: "guarded.test", scope: `${scope} repository:elsewhere:pull` });
    const path = `${new URL(realm).pathname}?${ask.toString()}`;
    const issued = await client.request(path, { headers: { authorization: basic("alice:wonderland") } });
    t.equal(issued.status, 200);
    t.match(tokens.requests.at(-1), {
      user: "alice",
      service: "guarded.test",
      scopes: ["repository:team/hidden:pull"],
    });
    const { token } = JSON.parse(issued.body.toString()) as { token: string };
    const headers = { ...accept, authorization: `Bearer ${token}` };
    t.equal((await client.request(`${base}/manifests/1`, { headers })).status, 200);
    const blob = `${base}/blobs/${image.layers[0]?.digest}`;
    t.equal((await client.request(blob, { headers })).status, 200);
    t.equal((await client.request(blob)).status, 401, "it is held, and closed to others");
    t.equal((await client.request(path, { headers: { authorization: basic("alice:wrong") } })).status, 401);
    t.equal((await client.request(path, { method: "POST" })).status, 405);
    await proxy.stop();
    t.notMatch(JSON.stringify(proxy.logLines), /wonderland|d29uZGVy/);
  },
);

t.test("there are no tokens of a registry that wants none, nor for who has an account here", async (t) => {
  const accounts = Buffer.from("alice:wonderland").toString("base64");
  for (const [env, authorization] of [
    [{}, undefined],
    [{ ACCOUNTS: accounts }, basic("alice:wonderland")],
  ] as const) {
    const { client } = await open(t, env);
    const headers = authorization === undefined ? {} : { authorization };
    t.equal((await client.request("/v2/proxy/reg.test:5000/_token?scope=x", { headers })).status, 404);
  }
});

t.test("a file of users that cannot be read, or has a bad line, stops the start by the front's name", async (t) => {
  const directory = folder(t);
  const bad = join(directory, "htpasswd");
  writeFileSync(bad, "alice:hunter2\n");
  const file = join(directory, "e.yaml");
  const start = async (htpasswdFile: string) => {
    writeFileSync(file, `fronts: [{front: registry, name: images, htpasswdFile: ${htpasswdFile}}]\n`);
    return await startProxy(t, { env: { CONFIG: file } });
  };
  await t.rejects(start(join(directory, "none")), {
    code: "CONFIG_INVALID",
    message: /^HTPASSWD_FILE of the front images: .*\/none cannot be read; it may be/,
  });
  const message = /^HTPASSWD_FILE of the front images: .*: line 1 has no bcrypt hash; htpasswd -B writes one\.$/;
  await t.rejects(start(bad), { code: "CONFIG_INVALID", message });
});

t.test(
  "users that come and go in the file count while it runs, and a bad line does not end those whom a process has read before",
  async (t) => {
    const clock = new MovableClock();
    const htpasswd = join(folder(t), "htpasswd");
    const write = (...lines: string[]): void => writeFileSync(htpasswd, lines.join("\n"));
    const line = (user: string): string => `${user}:${bcrypt.hashSync("secret", 4)}`;
    write(line("alice"));
    // A process that nobody asked meanwhile has not read what the file was in between.
    const env = { PROXY_STORAGE: folder(t), HTPASSWD_FILE: htpasswd, WORKERS: "1" };
    const { proxy } = await stage(t, { env, clock });
    const client = frontClient(proxy.port);
    const status = async (user: string): Promise<number> =>
      (await client.request("/v2/", { headers: { authorization: basic(`${user}:secret`) } })).status;
    t.equal(await status("alice"), 200);
    write(line("bob"), line("carol"));
    clock.time += 2000;
    t.same([await status("alice"), await status("bob"), await status("carol")], [401, 200, 200]);
    write("no user at all");
    clock.time += 2000;
    t.equal(await status("bob"), 200);
    t.match(JSON.stringify(proxy.logLines), /line 1 has no bcrypt hash/);
  },
);
