import t, { type Test } from "tap";
import { processes, type RunningProxy } from "../../fixtures/proxy.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { startTokenServer, type TokenServer, type TokenServerOptions } from "../../fixtures/token-server.ts";
import { cacheStatus, clientOf, finalLines, hub, MovableClock, type Stage, stage } from "../stage.ts";

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const secret = "pa:ss-w0rd";
const authorizations = ({ registry }: Pick<Stage, "registry">): unknown[] =>
  registry.requests.map(({ headers }) => headers["authorization"]);

t.test("a configured credential goes to exactly its host, where the client sends none", async (t) => {
  const quay = await startRegistry(t, { names: ["quay.io", "cdn.quay.io"] });
  const { registry, proxy, client } = await stage(t, {
    upstreams: [quay],
    env: { AUTH_REGISTRIES: `${hub}:robot:${secret}` },
    registry: { authorize: ({ headers }) => (headers["authorization"] === undefined ? 'Basic realm="r"' : undefined) },
  });
  const { digest } = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(500)] });
  const pulled = await client.request("/v2/library/app/manifests/1", { headers: { accept: manifestAccept } });
  t.match(pulled, { status: 200, headers: { "docker-content-digest": digest } });
  t.same(authorizations({ registry }), [basic("robot", secret)]);

  registry.forget();
  const own = basic("me", "mine");
  await client.request("/v2/library/app/tags/list", { headers: { authorization: own } });
  t.same(authorizations({ registry }), [own], "the client's own wins");

  for (const host of ["quay.io", "cdn.quay.io"]) {
    t.equal((await clientOf(t, proxy, host).request("/v2/")).status, 200);
  }
  t.same(authorizations({ registry: quay }), [undefined, undefined], "no other host gets it");
});

t.test("a Google service account's whole JSON key is a password", async (t) => {
  const key = JSON.stringify({ type: "service_account", private_key: "-----BEGIN: x y\n::: z", id: 1 }, null, 2);
  const { registry, proxy, client } = await stage(t, {
    registry: { names: ["gcr.io", hub] },
    env: {
      AUTH_REGISTRIES: `${hub}:::robot:::one two;;;gcr.io:::_json_key:::${key}`,
      AUTH_REGISTRIES_DELIMITER: ";;;",
      AUTH_REGISTRY_DELIMITER: ":::",
    },
  });
  await client.request("/v2/");
  await clientOf(t, proxy, "gcr.io").request("/v2/");
  t.same(authorizations({ registry }), [basic("robot", "one two"), basic("_json_key", key)]);
});

interface TokenStage extends Stage {
  readonly tokens: TokenServer;
  readonly clock: MovableClock;
  pull(repository: string): Promise<unknown>;
}

/** A registry that wants tokens, and our credential for it. */
async function tokenStage(t: Test, options: { auth?: string; tokens?: TokenServerOptions } = {}): Promise<TokenStage> {
  const clock = new MovableClock();
  const tokens = await startTokenServer(t, {
    names: ["auth.docker.io"],
    realmPort: 443,
    service: "registry.docker.io",
    users: { robot: { password: secret, pull: ["*"] } },
    expiresIn: 300,
    now: () => clock.now(),
    ...options.tokens,
  });
  const made = await stage(t, {
    clock,
    upstreams: [tokens],
    registry: { authorize: tokens.authorize },
    env: { AUTH_REGISTRIES: options.auth ?? `${hub}:robot:${secret}` },
  });
  const pull = async (repository: string): Promise<unknown> => {
    const blob = made.registry.blob(repository, uniqueBytes(1000));
    const answer = await made.client.request(`/v2/${repository}/blobs/${blob.digest}`);
    return [answer.status, answer.headers[cacheStatus]];
  };
  return { ...made, tokens, clock, pull };
}

t.test("a Bearer challenge is answered with a token of our own, which is kept for its repository", async (t) => {
  const { registry, tokens, client, pull } = await tokenStage(t);
  t.same(await pull("library/app"), [200, "MISS"]);
  t.match(tokens.requests, [
    { user: "robot", service: "registry.docker.io", scopes: ["repository:library/app:pull"], status: 200 },
  ]);
  t.equal(tokens.requests[0]?.headers.authorization, basic("robot", secret));
  t.same(
    registry.requests.map(({ status }) => status),
    [401, 200],
  );
  registry.forget();
  t.same(await pull("library/app"), [200, "MISS"]);
  t.equal(tokens.requests.length, 1, "the token is used again");
  t.same(
    registry.requests.map(({ status }) => status),
    [200],
    "and without a 401 first",
  );
  t.same(await pull("library/other"), [200, "MISS"]);
  t.same(tokens.requests[1]?.scopes, ["repository:library/other:pull"]);
  t.equal(tokens.requests.length, 2);
  t.equal((await client.request("/v2/library/app/tags/list")).status, 200);
  t.equal(tokens.requests.length, 2, "a list of tags is of the same scope");
});

t.test("many pulls at once share one token exchange", async (t) => {
  const { tokens, pull } = await tokenStage(t);
  await pull("library/app");
  await Promise.all(Array.from({ length: 6 }, () => pull("library/new")));
  const [first, ...others] = tokens.requests.map(({ scopes }) => scopes.join(" "));
  t.equal(first, "repository:library/app:pull");
  t.same(new Set(others), new Set(["repository:library/new:pull"]));
  // An exchange under way is known to its own process alone (docs/adr/0007-workers.md).
  t.ok(others.length <= processes, `${others.length} exchanges`);
});

t.test("a token is renewed before it ends, and replaced after", async (t) => {
  const { registry, tokens, clock, pull } = await tokenStage(t);
  await pull("library/app");
  clock.time += 200_000;
  await pull("library/app");
  t.equal(tokens.requests.length, 1, "two thirds of its life");
  clock.time += 70_000;
  t.same(await pull("library/app"), [200, "MISS"], "the old one is still good");
  await pull("library/app");
  t.equal(tokens.requests.length, 2, "renewed behind it");
  clock.time += 200_000;
  registry.forget();
  t.same(await pull("library/app"), [200, "MISS"]);
  t.equal(tokens.requests.length, 2, "the new one");
  clock.time += 400_000;
  t.same(await pull("library/app"), [200, "MISS"]);
  t.equal(tokens.requests.length, 3, "after its end");
  t.equal(registry.count({ status: 401 }), 0, "the registry never saw an old one");
});

t.test("a token service on another host gets the credential that is configured for it", async (t) => {
  const auth = `${hub}:robot:wrong auth.docker.io:accounts:${secret}`;
  const { tokens, pull } = await tokenStage(t, {
    auth,
    tokens: { users: { accounts: { password: secret, pull: ["*"] } } },
  });
  t.same(await pull("library/app"), [200, "MISS"]);
  t.match(tokens.requests, [{ user: "accounts", status: 200 }]);
});

t.test("what the token service refuses is the registry's refusal", async (t) => {
  const { registry, tokens, pull } = await tokenStage(t, { auth: `${hub}:robot:wrong` });
  t.match(await pull("library/app"), [401, "MISS"]);
  t.match(tokens.requests, [{ status: 401 }]);
  t.equal(registry.count({ status: 200 }), 0);
});

t.test("a token service that is out of order is said to be", async (t) => {
  const { tokens, pull, proxy } = await tokenStage(t);
  tokens.failWith = 503;
  t.match(await pull("library/app"), [502]);
  t.match((await finalLines(proxy)).at(-1), { status: 502, msg: /auth\.docker\.io/ });
});

t.test("a client's own token passes, and its own exchange is not done for it", async (t) => {
  const { registry, proxy, tokens } = await tokenStage(t, {
    tokens: { users: { me: { password: "mine", pull: ["library/mine"] } } },
  });
  const client = proxy.client(hub, { credentials: { user: "me", password: "mine" } });
  const { digest } = registry.image({ repository: "library/mine", tag: "1", layers: [uniqueBytes(100)] });
  const authorization = `Bearer ${tokens.token("me", [{ type: "repository", name: "library/mine", actions: ["pull"] }])}`;
  const pulled = await client.request("/v2/library/mine/manifests/1", {
    headers: { accept: manifestAccept, authorization },
  });
  t.match(pulled, { status: 200, headers: { "docker-content-digest": digest } });
  t.same(authorizations({ registry }), [authorization]);
  const old = `Bearer ${tokens.token("me", [], -100)}`;
  t.equal((await client.request("/v2/library/mine/tags/list", { headers: { authorization: old } })).status, 401);
  t.equal(tokens.requests.length, 0);
  client.close();
});

t.test("without a configured credential a client logs in through the proxy", async (t) => {
  const { registry, proxy, tokens } = await tokenStage(t, {
    auth: "",
    tokens: { users: { me: { password: "mine", pull: ["library/mine"] } }, anonymous: ["library/open"] },
  });
  const { digest } = registry.image({ repository: "library/mine", tag: "1", layers: [uniqueBytes(100)] });
  registry.image({ repository: "library/open", tag: "1", layers: [uniqueBytes(100)] });
  const login = proxy.client(hub, { credentials: { user: "me", password: "mine" } });
  t.equal((await login.pull("library/mine", "1")).digest, digest);
  const nobody = proxy.client(hub);
  t.ok(await nobody.pull("library/open", "1"), "an anonymous token");
  t.same([...new Set(tokens.requests.map(({ user }) => user))], ["me", undefined]);
  login.close();
  nobody.close();
});

/** All that somebody may look at: the log at its most talkative, metrics, the dashboard's data, our front page. */
async function shown(t: Test, proxy: RunningProxy): Promise<string> {
  const own = clientOf(t, proxy, "docker.caching.proxy.internal");
  const pages = ["/metrics", "/dashboard.json", "/", "/readyz"];
  const texts = [];
  for (const page of pages) {
    const answer = await own.request(page);
    t.equal(answer.status, 200, page);
    texts.push(answer.body.toString());
  }
  await proxy.stop();
  return texts.join("\n") + JSON.stringify(proxy.logLines);
}

t.test("no credential crosses a redirect to another host, and none is shown anywhere", async (t) => {
  const tokens = await startTokenServer(t, {
    names: ["auth.docker.io"],
    realmPort: 443,
    users: { robot: { password: secret, pull: ["*"] }, me: { password: "my own secret", pull: ["*"] } },
  });
  const { registry, proxy, client } = await stage(t, {
    upstreams: [tokens],
    registry: { names: [hub, "storage.test"], authorize: tokens.authorize },
    env: { AUTH_REGISTRIES: `${hub}:robot:${secret}`, LOG_LEVEL: "trace" },
  });
  registry.redirectBlobs({ host: "storage.test" });
  const own = basic("me", "my own secret");
  const bearer = `Bearer ${tokens.token("me", [{ type: "repository", name: "library/app", actions: ["pull"] }])}`;
  for (const authorization of [undefined, bearer]) {
    const blob = registry.blob("library/app", uniqueBytes(2000));
    const headers = authorization === undefined ? {} : { authorization, cookie: "session=biscuit" };
    t.match(await client.hash(`/v2/library/app/blobs/${blob.digest}`, { headers }), {
      status: 200,
      digest: blob.digest,
    });
  }
  const stored = registry.requests.filter(({ host }) => host === "storage.test");
  t.equal(stored.length, 2);
  for (const { headers } of stored) t.match(headers, { authorization: undefined, cookie: undefined });
  const issued = registry.requests.map(({ headers }) => String(headers["authorization"] ?? "").replace(/^\w+ /, ""));
  // Refusals and failures speak too.
  await client.request("/v2/library/app/tags/list", { headers: { authorization: own } });
  await client.request("/token?account=me&password=my-query-secret", { headers: { authorization: own } });
  tokens.failWith = 500;
  await client.request(`/v2/library/third/blobs/sha256:${"1".repeat(64)}`);
  const all = await shown(t, proxy);
  t.match(all, "library/third", "it does speak of these exchanges");
  const texts = new Set([
    secret,
    basic("robot", secret).slice(6),
    "my own secret",
    own.slice(6),
    "biscuit",
    "my-query-secret",
    ...issued,
  ]);
  texts.delete("");
  t.ok(texts.size >= 8, "secrets, their Basic forms and two tokens");
  for (const text of texts) t.notOk(all.includes(text), `${text.slice(0, 12)}... is not shown`);
});
