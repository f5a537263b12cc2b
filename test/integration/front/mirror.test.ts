import t from "tap";
import { frontClient } from "../../fixtures/front-client.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, exchangeLines, hub, lineOf, ociError, stage } from "../stage.ts";

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
  t.equal(exchangeLines(proxy).length, 2);
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

t.test("a mirror takes no pushes, even where ALLOW_PUSH is true", async (t) => {
  const { registry, proxy } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  const answer = await frontClient(proxy.port).request("/v2/app/blobs/uploads/", { method: "POST" });
  t.equal(answer.status, 405);
  t.equal(registry.count({ method: "POST" }), 0);
});

t.test("MIRROR=false leaves /v2/ to nobody", async (t) => {
  const { proxy } = await stage(t, { env: { MIRROR: "false" } });
  t.equal((await frontClient(proxy.port).request("/v2/")).status, 404);
});
