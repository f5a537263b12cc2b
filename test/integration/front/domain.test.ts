import { createHash } from "node:crypto";
import t from "tap";
import { frontClient } from "../../fixtures/front-client.ts";
import { cacheStatus, lineOf, ociError, stage } from "../stage.ts";
import { basic, domainStage, imageIn, manifest, prefix, saidBy, tokenFor } from "./domain-stage.ts";

t.test(
  "a pull by the front's names, its challenge followed, is one by the registry's, from the cache the second time",
  async (t) => {
    const { registry, tokens, proxy, client } = await domainStage(t);
    const image = imageIn(registry, "open");
    const ping = await client.request("/v2/");
    t.equal(ping.status, 401);
    t.equal(ping.headers["www-authenticate"], 'Bearer realm="http://pull.test/_token",service="reg.test"');
    const refused = await manifest(client, "open");
    t.match(refused.headers["www-authenticate"], /realm="http:\/\/pull\.test\/_token".*,scope="repository:open:pull"/);
    t.notMatch(saidBy(refused), /team\/images|auth\.test/);
    const token = await tokenFor(client, "repository:open:pull");
    t.same(tokens?.requests.at(-1)?.scopes, [`repository:${prefix}/open:pull`]);
    const pulled = await manifest(client, "open", token);
    t.match(pulled, { status: 200, headers: { "docker-content-digest": image.manifest.digest } });
    const [layer] = image.layers;
    const blob = `/v2/open/blobs/${layer?.digest}`;
    const headers = { authorization: `Bearer ${token}` };
    t.match(await client.request(blob, { headers }), { status: 200, headers: { [cacheStatus]: "MISS" } });
    t.match(await client.request(blob, { headers }), { status: 200, headers: { [cacheStatus]: "HIT" } });
    t.equal(registry.count({ kind: "blob", method: "GET", repository: `${prefix}/open` }), 1);
    t.match(await lineOf(proxy, ({ cache }) => cache === "HIT"), { front: "domain", origin: "reg.test", path: blob });
  },
);

t.test("a token endpoint by GET and by POST, several scopes and those that have the prefix", async (t) => {
  const { tokens, client } = await domainStage(t);
  const scopes = [
    "repository:open:pull",
    `repository:${prefix}/closed:pull`,
    "repository(plugin):p:pull",
    "registry:catalog:*",
  ];
  const expected = [
    `repository:${prefix}/open:pull`,
    `repository:${prefix}/closed:pull`,
    `repository(plugin):${prefix}/p:pull`,
    "registry:catalog:*",
  ];
  const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join("&");
  const got = await client.request(`/_token?service=reg.test&${query}&account=alice`, {
    headers: basic("alice:wonder"),
  });
  t.equal(got.status, 200);
  t.match(tokens?.requests.at(-1), {
    method: "GET",
    path: "/token",
    service: "reg.test",
    user: "alice",
    scopes: expected,
  });
  const form = new URLSearchParams({
    grant_type: "password",
    service: "reg.test",
    username: "alice",
    password: "wonder",
    scope: scopes.join(" "),
  });
  const posted = await client.request("/_token", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: Buffer.from(form.toString()),
  });
  t.equal(posted.status, 200);
  t.match(tokens?.requests.at(-1), { method: "POST", service: "reg.test", user: "alice", scopes: expected });
  t.match(JSON.parse(posted.body.toString()), { token: String });
});

t.test("a prefix that is a word of the front's own address leaves that as it is", async (t) => {
  const env = { REPO_PREFIX: "pull" };
  const guarded = await domainStage(t, { env });
  const { headers } = await guarded.client.request("/v2/");
  t.equal(headers["www-authenticate"], 'Bearer realm="http://pull.test/_token",service="reg.test"');
  const described = 'Bearer realm="https://auth.test/token",service="pull",error_description="pull/app is closed"';
  const { registry, client } = await domainStage(t, { env, auth: "none" });
  registry.fault({}, { status: 401, headers: { "www-authenticate": described } });
  const refused = await client.request("/v2/app/tags/list", { headers: { authorization: "Bearer x" } });
  t.equal(
    refused.headers["www-authenticate"],
    'Bearer realm="http://pull.test/_token",service="pull",error_description="app is closed"',
  );
});

t.test("a form that is too long is refused before the registry hears of it", async (t) => {
  const { tokens, client } = await domainStage(t);
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  await client.request("/v2/");
  const answer = await client.request("/_token", { method: "POST", headers, body: Buffer.alloc(100_000, "a") });
  t.equal(answer.status, 413);
  t.equal(tokens?.requests.length, 0);
});

t.test("a wrong password, a forged and an expired token are the registry's to refuse", async (t) => {
  const { registry, tokens, client } = await domainStage(t);
  imageIn(registry, "closed");
  const wrong = await client.request("/_token?service=reg.test&scope=repository:closed:pull", {
    headers: basic("alice:looking-glass"),
  });
  t.equal(wrong.status, 401);
  t.notMatch(saidBy(wrong), /team\/images/);
  const access = [{ type: "repository", name: `${prefix}/closed`, actions: ["pull"] }];
  const cases: [string, string | undefined, number][] = [
    ["nobody's", undefined, 401],
    ["forged", "e30.e30.c2ln", 401],
    ["expired", tokens?.token("alice", access, -5), 401],
    ["anonymous", await tokenFor(client, "repository:closed:pull"), 401],
    ["alice's", await tokenFor(client, "repository:closed:pull", "alice:wonder"), 200],
    ["forged, with the content held", "e30.e30.c2ln", 401],
    ["nobody's, with the content held", undefined, 401],
  ];
  for (const [who, token, status] of cases) {
    const answer = await manifest(client, "closed", token);
    t.equal(answer.status, status, who);
    t.notMatch(saidBy(answer), /team\/images/, who);
  }
});

t.test("tokens are fetched by the scheme that the client came with, as far as that is known", async (t) => {
  const realm = async (env: Record<string, string>): Promise<unknown> => {
    const { client } = await domainStage(t, { env });
    const { headers } = await client.request("/v2/", { headers: { "x-forwarded-proto": "https" } });
    return headers["www-authenticate"];
  };
  t.match(await realm({}), /realm="http:\/\/pull\.test\/_token"/);
  t.match(await realm({ TRUSTED_PROXIES: "127.0.0.1" }), /realm="https:\/\/pull\.test\/_token"/);
});

t.test("a push goes through to below the prefix, each Location by the front's names", async (t) => {
  const { registry, client } = await domainStage(t);
  imageIn(registry, "closed");
  const token = await tokenFor(client, "repository:new:pull,push", "alice:wonder");
  const headers = { authorization: `Bearer ${token}` };
  const opened = await client.request("/v2/new/blobs/uploads/", { method: "POST", headers });
  t.equal(opened.status, 202);
  const location = String(opened.headers["location"]);
  t.match(location, /^\/v2\/new\/blobs\/uploads\//);
  const body = Buffer.from("pushed");
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  const put = `${location}${location.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
  const done = await client.request(put, {
    method: "PUT",
    headers: { ...headers, "content-type": "application/octet-stream", "content-length": String(body.length) },
    body,
  });
  t.match(done, { status: 201, headers: { location: `/v2/new/blobs/${digest}` } });
  t.match(registry.requests.at(-1), { method: "PUT", repository: `${prefix}/new` });
  await client.request(`/v2/new/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=closed`, {
    method: "POST",
    headers,
  });
  t.equal(registry.requests.at(-1)?.query.get("from"), `${prefix}/closed`);
  const anonymous = await client.request("/v2/new/blobs/uploads/", { method: "POST" });
  t.equal(anonymous.status, 401);
});

t.test("a registry without a challenge is served as it is, and has no tokens", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  imageIn(registry, "open");
  t.equal((await client.request("/v2/")).status, 200);
  t.equal((await client.request("/v2")).status, 200);
  t.equal((await manifest(client, "open")).status, 200);
  t.match(ociError(await client.request("/_token?scope=repository:open:pull")), { code: "NOT_FOUND" });
});

t.test("Docker Hub goes by the name of its images too", async (t) => {
  const { registry, proxy } = await stage(t, { env: { REGISTRY_HOST: "index.docker.io", REPO_PREFIX: "library" } });
  registry.image({ repository: "library/app", tag: "1", layers: [Buffer.from("layer")] });
  const client = frontClient(proxy.port);
  t.equal((await manifest(client, "app")).status, 200);
  t.match(await client.request("/app"), { headers: { location: "https://index.docker.io/library/app" } });
});

t.test("nothing outside of the prefix is reached, whatever the path", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  registry.image({ repository: "other/secret", tag: "1", layers: [Buffer.from("secret")] });
  const paths = [
    "/v2/../other/secret/manifests/1",
    "/v2/../../other/secret/manifests/1",
    "/v2/%2e%2e/%2e%2e/other/secret/manifests/1",
    "/v2/x%2f..%2f..%2f..%2fother/secret/manifests/1",
    "/v2/..%2f..%2fother%2fsecret/tags/list",
    "/v2//v2/other/secret/manifests/1",
    "/v2/other/secret/manifests/1",
    "/v2/_oci/ext/discover",
    "/v2/token",
    "//v2/other/secret/manifests/1",
  ];
  for (const path of paths) t.not((await client.request(path)).status, 200, path);
  t.same(
    registry.requests.filter(({ path }) => !path.startsWith(`/v2/${prefix}/`)).map(({ path }) => path),
    [],
  );
});

t.test("no error and no field shows the prefix", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  const detail = [{ Type: "repository", Name: `${prefix}/gone`, Action: "pull" }];
  const errors = [{ code: "NAME_UNKNOWN", message: `repository ${prefix}/gone not known`, detail }];
  const faults: [number, string, Record<string, string>][] = [
    [404, JSON.stringify({ errors }), { "x-where": `/v2/${prefix}/gone`, "x-project": prefix }],
    [403, `<p>${prefix}/gone is closed, as all of ${prefix} is</p>`, { "content-type": "text/html" }],
    [500, `no ${prefix}/gone`, { "set-cookie": `a=b; Path=/v2/${prefix}/gone`, warning: `299 - "${prefix}/gone"` }],
    [429, JSON.stringify(`slow down, ${prefix}`), {}],
  ];
  for (const [status, body, headers] of faults) {
    for (const path of ["/v2/gone/manifests/1", "/v2/gone/tags/list", `/v2/gone/blobs/sha256:${"0".repeat(64)}`]) {
      const end = registry.fault({}, { status, body, headers });
      const answer = await client.request(path);
      end();
      t.ok(answer.status >= 400, `${status} of ${path}`);
      t.notMatch(saidBy(answer), /team\/images|team%2Fimages/, `${status} of ${path}`);
    }
  }
  const unknown = await client.request("/v2/gone/manifests/9");
  t.match(ociError(unknown), { code: "MANIFEST_UNKNOWN" });
});

t.test("a browser is sent to the registry's own pages, or told that there is nothing", async (t) => {
  const { client } = await domainStage(t, { auth: "none" });
  for (const path of ["/", "/open", "/open/tags?x=1", "//evil.test/x"])
    t.match(await client.request(path), { status: 307, headers: { location: `https://reg.test/${prefix}${path}` } });
  t.match(await client.request("/open", { method: "POST" }), { status: 405, headers: { allow: "GET, HEAD" } });
  t.equal((await client.request("/v1/_ping")).status, 405);
  t.match(await client.request("/healthz"), { status: 200 }, "the proxy's own, where no host is the front's");
  const quiet = await domainStage(t, { auth: "none", env: { DISABLE_BROWSER_REDIRECTS: "true" } });
  for (const path of ["/", "/open"]) t.equal((await quiet.client.request(path)).status, 404);
});

t.test("BLOBS=redirect sends clients to where the registry has its blobs, by an absolute address", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none", env: { BLOBS: "redirect" } });
  const [layer] = imageIn(registry, "open").layers;
  const blob = `/v2/open/blobs/${layer?.digest}`;
  const cases: [string, string][] = [
    ["https://cdn.test/x?sig=%2F", "https://cdn.test/x?sig=%2F"],
    ["/artifacts-downloads/x?sig=1", "https://reg.test/artifacts-downloads/x?sig=1"],
  ];
  for (const [given, seen] of cases) {
    const end = registry.fault({ kind: "blob" }, { redirect: { status: 302, location: given } });
    t.match(await client.request(blob), { status: 302, headers: { location: seen } });
    end();
  }
  t.equal((await client.request(blob)).body.toString(), "layer of open", "or serves what is not redirected");
});

t.test("by default redirects are followed, and blobs are cached", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none" });
  const [layer] = imageIn(registry, "open").layers;
  registry.redirectBlobs();
  const blob = `/v2/open/blobs/${layer?.digest}`;
  for (const cache of ["MISS", "HIT"])
    t.match(await client.request(blob), { status: 200, headers: { [cacheStatus]: cache } });
});

t.test("with everything upstream gone a warm pull of what is public completes, after a restart too", async (t) => {
  const { registry, tokens, client, proxy } = await domainStage(t);
  const image = imageIn(registry, "open");
  const [layer] = image.layers;
  const pull = async (where: typeof client): Promise<number[]> => {
    const ping = await where.request("/v2/");
    const token = await tokenFor(where, "repository:open:pull");
    const found = await manifest(where, "open", token);
    const blob = await where.request(`/v2/open/blobs/${layer?.digest}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return [ping.status, found.status, blob.status];
  };
  t.same(await pull(client), [401, 200, 200]);
  registry.fault({}, { closeMidHeader: true });
  if (tokens !== undefined) tokens.failWith = 503;
  t.same(await pull(client), [401, 200, 200]);
  const closed = await manifest(client, "closed", await tokenFor(client, "repository:closed:pull"));
  t.not(closed.status, 200);
  await proxy.stop();
  const { directory } = proxy;
  const again = await domainStage(t, { directory });
  again.registry.fault({}, { closeMidHeader: true });
  if (again.tokens !== undefined) again.tokens.failWith = 503;
  t.same(await pull(again.client), [401, 200, 200]);
});

t.test("no password and no token is in the log", async (t) => {
  const { registry, proxy, client } = await domainStage(t);
  imageIn(registry, "closed");
  const token = await tokenFor(client, "repository:closed:pull", "alice:wonder");
  await manifest(client, "closed", token);
  await proxy.stop();
  const log = JSON.stringify(proxy.logLines);
  for (const secret of ["wonder", token, basic("alice:wonder").authorization]) t.notOk(log.includes(secret));
});
