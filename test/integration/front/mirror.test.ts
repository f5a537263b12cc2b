import t from "tap";
import { frontClient } from "../../fixtures/front-client.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, exchangeLines, hub, lineOf, ociError, stage, until } from "../stage.ts";

const accept = { accept: manifestAccept };

t.test("docker.io is Docker Hub's registry, its images of one word are library's, and all is cached", async (t) => {
  const { registry, proxy } = await stage(t);
  const image = registry.image({ repository: "library/app", tag: "1", layers: [Buffer.from("layer")] });
  const client = frontClient(proxy.port);
  for (const path of [
    "/v2/library/app/manifests/1?ns=docker.io",
    "/v2/app/manifests/1?ns=docker.io",
    "/v2/app/manifests/1",
  ]) {
    const answer = await client.request(path, { headers: accept });
    t.match(answer, { status: 200, headers: { "docker-content-digest": image.manifest.digest } }, path);
  }
  const [layer] = image.layers;
  const blob = `/v2/library/app/blobs/${layer?.digest}`;
  t.equal((await client.request(`${blob}?ns=docker.io`)).headers[cacheStatus], "MISS");
  t.equal((await client.request(blob)).headers[cacheStatus], "HIT");
  t.equal(registry.count({ kind: "blob", method: "GET" }), 1);
  t.notMatch(registry.requests.map(({ query }) => query.toString()).join(" "), /ns=/);
  t.match(await lineOf(proxy, ({ cache }) => cache === "HIT"), { front: "mirror", door: "origin", origin: hub });
});

t.test("a registry may be named with its port, encoded or not", async (t) => {
  const ported = await startRegistry(t, { names: ["reg.test:5000"] });
  const { proxy } = await stage(t, { upstreams: [ported] });
  const image = ported.image({ repository: "app", tag: "1", layers: [Buffer.from("layer")] });
  for (const namespace of ["reg.test:5000", "reg.test%3A5000", "REG.test:5000"]) {
    const path = `/v2/app/manifests/1?ns=${namespace}`;
    const { status, headers } = await frontClient(proxy.port).request(path, { headers: accept });
    t.match({ status, headers }, { status: 200, headers: { "docker-content-digest": image.manifest.digest } });
  }
  for (const namespace of ["reg.test", "reg.test:5001", "reg.test:5000/x", ""]) {
    const path = `/v2/app/manifests/1?ns=${namespace}`;
    t.equal((await frontClient(proxy.port).request(path, { headers: accept })).status, 404, namespace);
  }
});

t.test("a registry that is not served is a 404 that says how it would be", async (t) => {
  const { proxy } = await stage(t);
  const answer = await frontClient(proxy.port).request("/v2/app/manifests/1?ns=unknown.test", { headers: accept });
  t.equal(answer.status, 404);
  t.match(ociError(answer), { code: "NAME_UNKNOWN", message: /REGISTRIES/ });
});

t.test("a client that does not know the registry needs no token of it for what is public", async (t) => {
  const tokens = await startTokenServer(t, {
    names: ["auth.reg.test"],
    realmPort: 443,
    anonymous: ["team/open"],
    service: "reg.test",
  });
  const guarded = await startRegistry(t, { names: ["reg.test"], authorize: tokens.authorize });
  const { proxy } = await stage(t, { upstreams: [guarded, tokens] });
  const image = guarded.image({ repository: "team/open", tag: "1", layers: [Buffer.from("layer")] });
  const hidden = guarded.image({ repository: "team/hidden", tag: "1", layers: [Buffer.from("layer")] });
  const client = frontClient(proxy.port);
  const path = (repository: string): string => `/v2/${repository}/manifests/1?ns=reg.test`;
  t.match(await client.request(path("team/open"), { headers: accept }), {
    status: 200,
    headers: { "docker-content-digest": image.manifest.digest },
  });
  t.not(hidden.manifest.digest, image.manifest.digest);
  t.equal((await client.request(path("team/hidden"), { headers: accept })).status, 401);
  await until(() => exchangeLines(proxy).length >= 2);
  t.equal(exchangeLines(proxy).length, 2);
  guarded.forget();
  const [layer] = image.layers;
  t.equal((await client.request(`/v2/team/open/blobs/${layer?.digest}?ns=reg.test`)).status, 200);
  t.same(
    guarded.requests.map(({ status }) => status),
    [200],
    "the token is known by now",
  );
});

t.test("the next page of a list is asked for at the mirror, of the same registry", async (t) => {
  const { registry, proxy } = await stage(t);
  for (const tag of ["1", "2", "3"]) registry.image({ repository: "team/app", tag, layers: [Buffer.from(tag)] });
  const client = frontClient(proxy.port);
  const list = "/v2/team/app/tags/list?n=2";
  t.match(await client.request(list), { headers: { link: '</v2/team/app/tags/list?n=2&last=2>; rel="next"' } });
  const { headers } = await client.request(`${list}&ns=docker.io`);
  const next = /<([^>]*)>/.exec(String(headers["link"]))?.[1] ?? "";
  t.match(next, /[?&]ns=docker\.io$/);
  t.same(JSON.parse((await client.request(next)).body.toString()), { name: "team/app", tags: ["3"] });
});

t.test("a client's own token opens what its registry opens for it, and for nobody else", async (t) => {
  const names = ["auth.reg.test"];
  const users = { alice: { password: "wonderland", pull: ["team/hidden"] } };
  const tokens = await startTokenServer(t, { names, realmPort: 443, service: "reg.test", users });
  const guarded = await startRegistry(t, { names: ["reg.test"], authorize: tokens.authorize });
  const { proxy } = await stage(t, { upstreams: [guarded, tokens] });
  const image = guarded.image({ repository: "team/hidden", tag: "1", layers: [Buffer.from("layer")] });
  const client = frontClient(proxy.port);
  const path = `/v2/team/hidden/manifests/1?ns=reg.test`;
  const refused = await client.request(path, { headers: accept });
  t.equal(refused.status, 401);
  const challenge = String(refused.headers["www-authenticate"]);
  t.match(challenge, /realm="https:\/\/auth\.reg\.test\//, "the registry's own, for the client to go to");
  t.match(challenge, "repository:team/hidden:pull");
  const basic = `Basic ${Buffer.from("alice:wonderland").toString("base64")}`;
  const asker = proxy.client("auth.reg.test");
  t.teardown(() => asker.close());
  const scope = "service=reg.test&scope=repository:team/hidden:pull";
  const issued = await asker.request(`/token?${scope}`, { headers: { authorization: basic } });
  const { token } = JSON.parse(issued.body.toString()) as { token: string };
  const authorization = `Bearer ${token}`;
  t.equal((await client.request(path, { headers: { ...accept, authorization } })).status, 200);
  const blob = `/v2/team/hidden/blobs/${image.layers[0]?.digest}?ns=reg.test`;
  t.equal((await client.request(blob, { headers: { authorization } })).status, 200);
  t.equal((await client.request(blob)).status, 401);
});

t.test("digests, HEAD, ranges and referrers are asked for as at the registry", async (t) => {
  const { registry, proxy } = await stage(t);
  const image = registry.image({ repository: "library/app", tag: "1", layers: [Buffer.from("layer")] });
  const client = frontClient(proxy.port);
  for (const method of ["HEAD", "GET"]) {
    const path = `/v2/app/manifests/${image.manifest.digest}?ns=docker.io`;
    const { status, headers } = await client.request(path, { method, headers: accept });
    t.match({ status, headers }, { status: 200, headers: { "docker-content-digest": image.manifest.digest } });
    t.ok(Number(headers["content-length"]) > 0);
  }
  const blob = `/v2/app/blobs/${image.layers[0]?.digest}?ns=docker.io`;
  const part = await client.request(blob, { headers: { range: "bytes=2-" } });
  t.match(part, { status: 206, headers: { "content-range": "bytes 2-4/5" } });
  const referrers = `/v2/app/referrers/${image.manifest.digest}?artifactType=a%2Fb&ns=docker.io`;
  t.equal((await client.request(referrers)).status, 200);
  const asked = registry.requests.find(({ kind }) => kind === "referrers");
  t.match(asked, { repository: "library/app" });
  t.equal(asked?.query.get("artifactType"), "a/b");
});

t.test("without its registry a mirror is there, serves what it holds, and says of the rest why not", async (t) => {
  const { registry, proxy } = await stage(t);
  const image = registry.image({ repository: "library/app", tag: "1", layers: [Buffer.from("layer")] });
  const client = frontClient(proxy.port);
  const paths = [`/v2/app/manifests/1`, `/v2/app/blobs/${image.layers[0]?.digest}`];
  for (const path of paths) t.equal((await client.request(path, { headers: accept })).status, 200);
  registry.fault({}, { status: 503 });
  const before = registry.requests.length;
  t.match(await client.request("/v2/"), {
    status: 200,
    headers: { "docker-distribution-api-version": "registry/2.0" },
  });
  t.equal((await client.request("/v2/", { method: "HEAD" })).status, 200);
  t.equal(registry.requests.length, before, "nobody was asked for that");
  for (const path of paths) t.equal((await client.request(path, { headers: accept })).status, 200, path);
  t.ok((await client.request("/v2/app/manifests/2", { headers: accept })).status >= 500);
});

t.test("a registry that cannot be reached is a 502 for what is not held", async (t) => {
  const { proxy } = await stage(t, { env: { REGISTRIES: "gone.test", HOST_MAP: "gone.test:443=127.0.0.1:1" } });
  const answer = await frontClient(proxy.port).request("/v2/app/manifests/1?ns=gone.test", { headers: accept });
  t.equal(answer.status, 502);
  t.equal(ociError(answer).code, "UPSTREAM_UNREACHABLE");
});

t.test("a mirror takes no pushes, even where ALLOW_PUSH is true", async (t) => {
  const { registry, proxy } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  const answer = await frontClient(proxy.port).request("/v2/app/blobs/uploads/", { method: "POST" });
  t.match(answer, { status: 405, headers: { allow: "GET, HEAD" } });
  t.match(ociError(answer), { code: "UNSUPPORTED", message: /registry itself/ });
  t.equal(registry.count({ method: "POST" }), 0);
});

t.test("MIRROR=false leaves /v2/ to nobody", async (t) => {
  const { proxy } = await stage(t, { env: { MIRROR: "false" } });
  t.equal((await frontClient(proxy.port).request("/v2/")).status, 404);
});
