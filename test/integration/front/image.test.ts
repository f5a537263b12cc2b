import { decodeJwt } from "jose";
import t from "tap";
import { tokenOf } from "../../fixtures/challenged-client.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, finalLines, lineOf, ociError } from "../stage.ts";
import { accounts, alice, imageStage, self, upstream, wantsPair } from "./image-stage.ts";

const accept = { accept: manifestAccept };
const selfChallenge = `Bearer realm="${self}/v2/auth",service="docker-image-proxy"`;

t.test("/health says that it is there, whoever asks", async (t) => {
  const { front } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  const answer = await front.request("/health");
  t.match(answer, { status: 200, headers: { "content-type": "application/json" } });
  t.same(JSON.parse(answer.body.toString()), { status: "ok" });
});

t.test("an open registry gets a challenge of our own, and only accounts are served", async (t) => {
  const { registry, front, client, proxy } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  const image = registry.image({ repository: "team/deep/app", tag: "1", layers: [Buffer.from("layer")] });
  const tag = "/v2/team/deep/app/manifests/1";
  t.match(await front.request("/v2/"), { status: 401, headers: { "www-authenticate": selfChallenge } });
  t.equal((await front.request(tag, { headers: accept })).status, 401, "nobody");
  t.equal(registry.count({ kind: "manifest" }), 0);
  t.match(await lineOf(proxy, ({ status, kind }) => status === 401 && kind === "manifest"), { reference: "1" });
  t.equal(await client().login(), 401, "no login");
  t.equal(await client({ user: "alice", password: "wrong" }).login(), 401, "a wrong password");
  t.equal(await client({ user: "carol", password: "hers" }).login(), 401, "somebody else");
  t.equal(await client(alice).login(), 200);
  const her = client(alice);
  t.match(await her.request(tag, { headers: accept }), {
    status: 200,
    headers: { "docker-content-digest": image.manifest.digest, "content-type": image.manifest.mediaType },
    body: image.manifest.bytes,
  });
  t.match(await her.request(tag, { method: "HEAD", headers: accept }), {
    status: 200,
    headers: { "docker-content-digest": image.manifest.digest, "content-length": `${image.manifest.bytes.length}` },
  });
  const blob = `/v2/team/deep/app/blobs/${image.layers[0]?.digest}`;
  t.equal((await her.request(blob)).headers[cacheStatus], "MISS");
  const hit = await client({ user: "bob", password: "his" }).request(blob);
  t.equal(hit.headers[cacheStatus], "HIT");
  t.equal(hit.body.toString(), "layer");
  t.same(
    registry.requests.filter(({ headers }) => headers["authorization"] !== undefined),
    [],
    "the registry sees no Authorization",
  );
  t.match(await lineOf(proxy, ({ cache }) => cache === "HIT"), { front: "image", origin: upstream });
  await proxy.stop();
  t.notMatch(JSON.stringify(proxy.logLines), /hers|eyJ|YWxpY2U/);
});

t.test("without ACCOUNTS everybody gets a token", async (t) => {
  const { registry, client } = await imageStage(t);
  registry.image({ repository: "app", tag: "1", layers: [] });
  t.equal(await client().login(), 200);
  t.equal((await client().request("/v2/app/manifests/1", { headers: accept })).status, 200);
});

t.test("our token says who asked for what, and for how long", async (t) => {
  const { client } = await imageStage(t, { env: { ACCOUNTS: accounts, SELF_AUTH_SERVICE: "mine" } });
  const challenge = `Bearer realm="${self}/v2/auth",service="mine"`;
  const scopes = ["repository:team/app:pull,push", "repository:host.test:5000/b:pull registry:catalog:*", "nonsense"];
  const answer = await client(alice).token(challenge, scopes);
  t.match(answer.headers, { "content-type": "application/json", "cache-control": "no-store" });
  t.match(JSON.parse(answer.body.toString()), { expires_in: 86_400, issued_at: /^\d{4}-/ });
  const claims = decodeJwt(tokenOf(answer));
  t.match(claims, { iss: "mine", sub: "alice", aud: "mine", jti: /./ });
  t.equal((claims.exp ?? 0) - (claims.iat ?? 0), 86_400);
  t.equal(claims.nbf, claims.iat);
  t.same(claims["access"], [
    { type: "repository", name: "team/app", actions: ["pull", "push"] },
    { type: "repository", name: "host.test:5000/b", actions: ["pull"] },
    { type: "registry", name: "catalog", actions: ["*"] },
  ]);
});

t.test("a token that is not ours does not get in, and the answer says where to get one", async (t) => {
  const { registry, front } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "docker-image-proxy", aud: "docker-image-proxy", sub: "alice", nbf: now, exp: now + 600 };
  const forged = {
    unsigned: `${part({ alg: "none" })}.${part(claims)}.`,
    "signed by another": `${part({ alg: "HS256" })}.${part(claims)}.${"A".repeat(43)}`,
    "of another issuer": `${part({ alg: "HS256" })}.${part({ ...claims, iss: "auth.docker.io" })}.${"A".repeat(43)}`,
    opaque: "some-token",
    "of the proxy's own kind": `entrepot.${"A".repeat(22)}.${"A".repeat(43)}`,
    "with a seal of another": `sealed~zzzzzzzz~${"A".repeat(43)}~token`,
  };
  for (const [name, token] of Object.entries(forged)) {
    const answer = await front.request("/v2/app/manifests/1", { headers: { authorization: `Bearer ${token}` } });
    t.equal(answer.status, 401, name);
    t.equal(answer.headers["www-authenticate"], `${selfChallenge},scope="repository:app:pull"`, name);
    t.equal(ociError(answer).code, "UNAUTHORIZED");
    const ping = await front.request("/v2/", { headers: { authorization: `Bearer ${token}` } });
    t.match(ping, { status: 401, headers: { "www-authenticate": selfChallenge } }, name);
  }
  t.equal(registry.count({ kind: "manifest" }), 0);
});

t.test("a registry that wants Basic is asked with what the client shows", async (t) => {
  const { registry, front, client } = await imageStage(t, { registry: { authorize: wantsPair(alice) } });
  const image = registry.image({ repository: "app", tag: "1", layers: [] });
  t.match(await front.request("/v2/"), {
    status: 401,
    headers: { "www-authenticate": `Basic realm="${self}/v2/auth"` },
  });
  t.equal(await client(alice).login(), 200);
  t.equal(await client({ user: "alice", password: "wrong" }).login(), 401);
  t.match(await client(alice).request("/v2/app/manifests/1", { headers: accept }), {
    status: 200,
    headers: { "docker-content-digest": image.manifest.digest },
  });
  t.equal(
    (await client().request("/v2/app/manifests/1", { headers: accept })).status,
    401,
    "nobody, though it is held",
  );
});

t.test("with ACCOUNTS too, but a pair that is not listed goes no further", async (t) => {
  const { registry, client } = await imageStage(t, {
    registry: { authorize: wantsPair(alice) },
    env: { ACCOUNTS: accounts },
  });
  t.equal(await client(alice).login(), 200);
  t.equal(await client({ user: "bob", password: "his" }).login(), 401, "the registry does not know him");
  const before = registry.requests.length;
  t.equal(await client({ user: "carol", password: "hers" }).login(), 401);
  t.equal(registry.requests.length, before);
});

t.test("where we hold the registry's credential, accounts need none of theirs", async (t) => {
  const owner = { user: "owner", password: "pass" };
  const { registry, front, client } = await imageStage(t, {
    registry: { authorize: wantsPair(owner) },
    env: { ACCOUNTS: accounts, AUTH_REGISTRIES: `${upstream}:${owner.user}:${owner.password}` },
  });
  const image = registry.image({ repository: "team/app", tag: "1", layers: [Buffer.from("layer")] });
  t.equal((await front.request("/v2/")).headers["www-authenticate"], selfChallenge);
  t.equal(await client(alice).login(), 200);
  const her = client(alice);
  t.match(await her.request("/v2/team/app/manifests/1", { headers: accept }), {
    status: 200,
    headers: { "docker-content-digest": image.manifest.digest },
  });
  t.equal((await her.request(`/v2/team/app/blobs/${image.layers[0]?.digest}`)).status, 200);
  t.equal((await front.request("/v2/team/app/manifests/1", { headers: accept })).status, 401);
  const answer = await her.request("/v2/team/app/blobs/uploads/", { method: "POST" });
  t.match(answer, { status: 405, headers: { allow: "GET, HEAD" } });
  t.equal(ociError(answer).code, "UNSUPPORTED");
  t.equal(registry.count({ method: "POST" }), 0);
});

t.test("lists keep their pages, and each Link leads on here", async (t) => {
  const { registry, front, client } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  for (const tag of ["1", "2", "3"]) registry.image({ repository: "team/app", tag, layers: [] });
  registry.image({ repository: "team/b", tag: "1", layers: [] });
  // Some registries name themselves in full.
  const absolute = { headers: { link: `<https://${upstream}/v2/_catalog?n=1&last=team%2Fapp>; rel="next"` } };
  registry.fault({ kind: "catalog", where: ({ query }) => !query.has("last") }, absolute);
  for (const [list, key, expected] of [
    ["/v2/team/app/tags/list?n=2", "tags", ["1", "2", "3"]],
    ["/v2/_catalog?n=1", "repositories", ["team/app", "team/b"]],
  ] as const) {
    const found: string[] = [];
    let next: string | undefined = list;
    while (next !== undefined) {
      const page = await client(alice).request(next);
      t.equal(page.status, 200, next);
      found.push(...((JSON.parse(page.body.toString()) as Record<string, string[]>)[key] ?? []));
      const link = String(page.headers["link"] ?? "");
      t.notMatch(link, upstream);
      next = /<([^>]*)>/.exec(link)?.[1];
    }
    t.same(found, expected, list);
  }
  t.equal((await front.request("/v2/_catalog")).status, 401);
});

t.test("SKIP_AUTH_PROXY leaves what the registry says untouched", async (t) => {
  const tokens = await startTokenServer(t, { realmPort: 443, anonymous: ["*"] });
  const { registry, front } = await imageStage(t, {
    registry: { authorize: tokens.authorize },
    upstreams: [tokens],
    env: { SKIP_AUTH_PROXY: "true" },
  });
  registry.image({ repository: "app", tag: "1", layers: [] });
  t.match(await front.request("/v2/"), { status: 401, headers: { "www-authenticate": tokens.challenge() } });
  const refused = await front.request("/v2/app/manifests/1", { headers: accept });
  t.match(refused, { status: 401, headers: { "www-authenticate": tokens.challenge("repository:app:pull") } });
  const token = tokens.token("", [{ type: "repository", name: "app", actions: ["pull"] }]);
  const headers = { ...accept, authorization: `Bearer ${token}` };
  t.equal((await front.request("/v2/app/manifests/1", { headers })).status, 200);
  const open = await imageStage(t, { env: { SKIP_AUTH_PROXY: "true" } });
  t.equal((await open.front.request("/v2/")).status, 200);
});

t.test("what the registry refuses is refused, with its words", async (t) => {
  const { client, proxy } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  const answer = await client(alice).request("/v2/team/none/manifests/1", { headers: accept });
  t.equal(answer.status, 404);
  t.equal(ociError(answer).code, "MANIFEST_UNKNOWN");
  t.equal((await client(alice).request("/v2/Team/manifests/1")).status, 400);
  const fronts = (await finalLines(proxy)).map(({ front }) => front);
  t.ok(fronts.length >= 2 && fronts.every((front) => front === "image"));
});
