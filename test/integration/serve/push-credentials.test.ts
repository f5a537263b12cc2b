import t from "tap";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { hub, stage } from "../stage.ts";
t.test("a push goes with the client's own credential alone, never with ours", async (t) => {
  const { registry, client } = await stage(t, {
    env: { ALLOW_PUSH: "true", AUTH_REGISTRIES: `${hub}:robot:secret` },
    registry: { authorize: ({ headers }) => (headers["authorization"] === undefined ? 'Basic realm="r"' : undefined) },
  });
  const digest = `sha256:${"a".repeat(64)}`;
  for (const [method, path, body] of [
    ["POST", "/v2/library/app/blobs/uploads/", undefined],
    ["PATCH", "/v2/library/app/blobs/uploads/1", Buffer.from("x")],
    ["PUT", "/v2/library/app/manifests/1", Buffer.from("{}")],
    ["DELETE", `/v2/library/app/manifests/${digest}`, undefined],
  ] as const) {
    const answer = await client.request(path, { method, ...(body && { body }) });
    t.equal(answer.status, 401, `${method}: the registry's own word`);
    t.match(answer.body.toString(), /INJECT_ON_PUSH=true/, "and what would help");
    t.equal(answer.headers["www-authenticate"], 'Basic realm="r"');
  }
  t.same(
    registry.requests.map(({ headers }) => headers["authorization"]),
    [undefined, undefined, undefined, undefined],
  );
});
t.test("nor with a token that was got for pulls", async (t) => {
  const tokens = await startTokenServer(t, {
    names: ["auth.docker.io"],
    realmPort: 443,
    users: { robot: { password: "secret", pull: ["*"], push: ["*"] } },
  });
  const { registry, client } = await stage(t, {
    env: { ALLOW_PUSH: "true", AUTH_REGISTRIES: `${hub}:robot:secret` },
    upstreams: [tokens],
    registry: { authorize: tokens.authorize },
  });
  registry.image({ repository: "library/app", tag: "1", layers: [] });
  t.equal((await client.request("/v2/library/app/tags/list")).status, 200);
  registry.forget();
  t.equal((await client.request("/v2/library/app/blobs/uploads/", { method: "POST" })).status, 401);
  t.same(
    registry.requests.map(({ headers }) => headers["authorization"]),
    [undefined],
  );
});

t.test("with INJECT_ON_PUSH ours goes where the client sends none, and only there", async (t) => {
  const { registry, client } = await stage(t, {
    env: { ALLOW_PUSH: "true", INJECT_ON_PUSH: "true", AUTH_REGISTRIES: `${hub}:robot:secret` },
    registry: { authorize: ({ headers }) => (headers["authorization"] === undefined ? 'Basic realm="r"' : undefined) },
  });
  const ours = `Basic ${Buffer.from("robot:secret").toString("base64")}`;
  const own = "Basic b3duOm93bg==";
  t.equal((await client.request("/v2/library/app/blobs/uploads/", { method: "POST" })).status, 202);
  await client.request("/v2/library/app/blobs/uploads/", { method: "POST", headers: { authorization: own } });
  t.same(
    registry.requests.map(({ headers }) => headers["authorization"]),
    [ours, own],
  );
});

t.test("a token for a push is asked for as one", async (t) => {
  const user = { password: "secret", pull: ["*"], push: ["*"] };
  const tokens = await startTokenServer(t, { names: ["auth.docker.io"], realmPort: 443, users: { robot: user } });
  const { registry, client } = await stage(t, {
    env: { ALLOW_PUSH: "true", INJECT_ON_PUSH: "true", AUTH_REGISTRIES: `${hub}:robot:secret` },
    upstreams: [tokens],
    registry: { authorize: tokens.authorize },
  });
  t.equal((await client.request("/v2/library/app/blobs/uploads/", { method: "POST" })).status, 202);
  t.equal(registry.requests.at(-1)?.status, 202);
});
