import type { Test } from "tap";
import t from "tap";
import { tokenOf } from "../../fixtures/challenged-client.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startTokenServer, type TokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, ociError } from "../stage.ts";
import { accounts, alice, type ImageStage, type ImageStageOptions, imageStage, self, upstream } from "./image-stage.ts";

const accept = { accept: manifestAccept };
const carol = { user: "carol", password: "her own" };
const users = { carol: { password: carol.password, pull: ["team/secret"], push: ["team/secret"] } };
const service = "registry.test";

interface TokenStage extends ImageStage {
  readonly tokens: TokenServer;
}

/** A registry with a token service; anybody may read `library/`'s one image. */
async function tokenStage(t: Test, options: ImageStageOptions = {}): Promise<TokenStage> {
  const anonymous = ["library/app"];
  const tokens = await startTokenServer(t, { realmPort: 443, path: "/my/tokens", service, users, anonymous });
  const staged = await imageStage(t, {
    ...options,
    registry: { authorize: tokens.authorize },
    upstreams: [tokens, ...(options.upstreams ?? [])],
  });
  staged.registry.image({ repository: "library/app", tag: "1", layers: [Buffer.from("public")] });
  staged.registry.image({ repository: "team/secret", tag: "1", layers: [Buffer.from("secret")] });
  return { ...staged, tokens };
}

t.test("the registry's challenge keeps all but its realm, and its own users get its own tokens", async (t) => {
  const { front, client, tokens, registry } = await tokenStage(t);
  const challenge = `Bearer realm="${self}/v2/auth",service="${service}"`;
  t.match(await front.request("/v2/"), { status: 401, headers: { "www-authenticate": challenge } });
  const content = await front.request("/v2/team/secret/manifests/1", { headers: accept });
  t.equal(content.headers["www-authenticate"], `${challenge},scope="repository:team/secret:pull"`);
  t.equal(await client(carol).login(), 200);
  t.equal(await client({ ...carol, password: "wrong" }).login(), 401);
  t.equal((await client(carol).request("/v2/team/secret/manifests/1", { headers: accept })).status, 200);
  t.equal((await client().request("/v2/team/secret/manifests/1", { headers: accept })).status, 401, "nobody");
  t.equal((await client().request("/v2/library/app/manifests/1", { headers: accept })).status, 200);
  const scope = ["repository:team/secret:pull,push"];
  const token = tokenOf(await client(carol).token(challenge, scope));
  const headers = { authorization: `Bearer ${token}` };
  const upload = await front.request("/v2/team/secret/blobs/uploads/", { method: "POST", headers });
  t.equal(upload.status, 202);
  t.match(upload.headers["location"], /^\/v2\/team\/secret\/blobs\/uploads\//, "leads on here");
  t.ok(tokens.requests.some(({ user }) => user === "carol"));
  t.ok(registry.requests.length > 0);
});

t.test("an account's password stays here, and what it gets is the service's token in nobody's name", async (t) => {
  const { front, client, tokens, registry } = await tokenStage(t, { env: { ACCOUNTS: accounts } });
  t.equal(await client(alice).login(), 200);
  t.equal(await client(carol).login(), 401, "the registry's own user has no account");
  const challenge = String((await front.request("/v2/library/app/tags/list")).headers["www-authenticate"]);
  t.equal(challenge, `Bearer realm="${self}/v2/auth",service="${service}",scope="repository:library/app:pull"`);
  const token = tokenOf(await client(alice).token(challenge));
  t.match(tokens.requests.at(-1), { user: undefined, scopes: ["repository:library/app:pull"], service });
  t.notMatch(JSON.stringify(tokens.requests), /alice|authorization/);
  const headers = { ...accept, authorization: `Bearer ${token}` };
  t.equal((await front.request("/v2/library/app/manifests/1", { headers })).status, 200);
  t.equal((await client(alice).request("/v2/team/secret/manifests/1", { headers: accept })).status, 401);
  const sent = registry.requests.map((request) => String(request.headers["authorization"] ?? ""));
  t.ok(sent.includes(`Bearer ${token.split("~").at(-1)}`), "the registry gets what its service issued");
  const push = await front.request("/v2/library/app/blobs/uploads/", { method: "POST", headers });
  t.equal(push.status, 405);
  t.equal(ociError(push).code, "UNSUPPORTED");
});

t.test("a token of the service that was got elsewhere is refused where there are accounts", async (t) => {
  const { front, client, tokens, registry } = await tokenStage(t, { env: { ACCOUNTS: accounts } });
  const access = [{ type: "repository", name: "library/app", actions: ["pull"] }];
  const genuine = tokens.token("carol", access);
  const headers = (token: string) => ({ headers: { ...accept, authorization: `Bearer ${token}` } });
  const path = "/v2/library/app/manifests/1";
  t.equal((await front.request(path, headers(genuine))).status, 401);
  const challenge = `Bearer realm="${self}/v2/auth",service="${service}"`;
  const sealed = tokenOf(await client(alice).token(challenge, ["repository:library/app:pull"]));
  t.equal((await front.request(path, headers(sealed))).status, 200);
  const [form, end, mac] = sealed.split("~");
  t.equal((await front.request(path, headers(`${form}~${end}~${mac}~${genuine}`))).status, 401, "the seal of another");
  t.equal(registry.count({ where: (seen) => seen.headers["authorization"] === `Bearer ${genuine}` }), 0);
});

t.test("without accounts a token that the registry does not take is the registry's to refuse", async (t) => {
  const { front, tokens } = await tokenStage(t);
  const expired = tokens.token("carol", [{ type: "repository", name: "team/secret", actions: ["pull"] }], -60);
  const headers = { ...accept, authorization: `Bearer ${expired}` };
  const answer = await front.request("/v2/team/secret/manifests/1", { headers });
  t.equal(answer.status, 401);
  t.match(answer.headers["www-authenticate"], `realm="${self}/v2/auth"`);
});

t.test("several scopes in one request make one token for all of them", async (t) => {
  for (const env of [{}, { ACCOUNTS: accounts }]) {
    const { front, client } = await tokenStage(t, { env });
    const scopes = ["repository:library/app:pull", "repository:team/secret:pull repository:other:pull"];
    const challenge = `Bearer realm="${self}/v2/auth",service="${service}"`;
    const token = tokenOf(await client("ACCOUNTS" in env ? alice : undefined).token(challenge, scopes));
    const headers = { ...accept, authorization: `Bearer ${token}` };
    t.equal((await front.request("/v2/library/app/manifests/1", { headers })).status, 200);
  }
});

t.test("a POST for a token is answered by GET alone, where it is ours to answer", async (t) => {
  const form = (fields: Record<string, string>) => Buffer.from(new URLSearchParams(fields).toString());
  const fields = { grant_type: "password", service, username: "carol", password: carol.password };
  const post = {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: form({ ...fields, scope: "repository:team/secret:pull", client_id: "test" }),
  };
  const { front } = await tokenStage(t);
  const answer = await front.request("/v2/auth", post);
  t.equal(answer.status, 200, "the registry's service takes one");
  const guarded = await tokenStage(t, { env: { ACCOUNTS: accounts } });
  const basic = `Basic ${Buffer.from(`${alice.user}:${alice.password}`).toString("base64")}`;
  const headers = { ...post.headers, authorization: basic };
  t.match(await guarded.front.request("/v2/auth", { ...post, headers }), { status: 405, headers: { allow: "GET" } });
  t.equal((await guarded.front.request("/v2/auth", { method: "DELETE" })).status, 405);
});

t.test("AUTH_SERVICE is asked in place of the service that the registry names", async (t) => {
  const other = await startTokenServer(t, { names: ["other.test"], realmPort: 443, path: "/my/tokens", service });
  const { client, tokens } = await tokenStage(t, { upstreams: [other], env: { AUTH_SERVICE: "https://other.test" } });
  await client().request("/v2/library/app/manifests/1", { headers: accept });
  t.equal(tokens.requests.length, 0);
  t.match(other.requests[0], { path: "/my/tokens", status: 200 });
});

t.test(
  "with the registry's credential an account gets a token of ours, and the registry none of its own",
  async (t) => {
    const env = { ACCOUNTS: accounts, AUTH_REGISTRIES: `${upstream}:carol:${carol.password.replace(" ", "-")}` };
    const tokens = await startTokenServer(t, {
      realmPort: 443,
      service,
      users: { carol: { ...users.carol, password: "her-own" } },
    });
    const staged = await imageStage(t, { env, registry: { authorize: tokens.authorize }, upstreams: [tokens] });
    staged.registry.image({ repository: "team/secret", tag: "1", layers: [Buffer.from("secret")] });
    const her = staged.client(alice);
    const answer = await her.request("/v2/team/secret/manifests/1", { headers: accept });
    t.equal(answer.status, 200);
    const challenge = String((await staged.front.request("/v2/")).headers["www-authenticate"]);
    const token = tokenOf(await her.token(challenge, ["repository:team/secret:pull,push"]));
    t.equal(
      await staged.front
        .request("/v2/", { headers: { authorization: `Bearer ${token}` } })
        .then(({ status }) => status),
      200,
    );
    t.notOk(
      tokens.requests.some(({ scopes }) => scopes.join().includes("push")),
      "no token that could push was got",
    );
  },
);

t.test("in an outage an account is let in and reads what is held and public, after a restart too", async (t) => {
  const before = await tokenStage(t, { env: { ACCOUNTS: accounts } });
  const digest = before.registry.content;
  t.ok(digest);
  const path = "/v2/library/app/manifests/1";
  const warm = await before.client(alice).request(path, { headers: accept });
  t.equal(warm.status, 200);
  const manifest = JSON.parse(warm.body.toString()) as { config: { digest: string }; layers: { digest: string }[] };
  const blobs = [manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)];
  for (const blob of blobs) await before.client(alice).request(`/v2/library/app/blobs/${blob}`);
  before.registry.fault({}, { status: 503 });
  before.tokens.failWith = 503;
  const check = async ({ client, front }: ImageStage, round: string): Promise<void> => {
    t.equal(await client(alice).login(), 200, `${round}: login`);
    t.equal(await client({ ...alice, password: "wrong" }).login(), 401, `${round}: a wrong password`);
    t.equal((await client(alice).request(path, { headers: accept })).status, 200, `${round}: the tag`);
    for (const blob of blobs) {
      const got = await client(alice).request(`/v2/library/app/blobs/${blob}`);
      t.equal(got.headers[cacheStatus], "HIT", `${round}: a blob`);
    }
    t.equal((await front.request(path, { headers: accept })).status, 401, `${round}: nobody`);
    t.not((await client(alice).request("/v2/team/secret/manifests/1", { headers: accept })).status, 200);
  };
  await check(before, "before");
  await before.proxy.stop();
  const { registry: running, tokens } = before;
  const env = { ACCOUNTS: accounts };
  await check(await imageStage(t, { env, running, upstreams: [tokens], directory: before.proxy.directory }), "after");
});
