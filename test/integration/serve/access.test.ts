import t, { type Test } from "tap";
import { startProxy } from "../../fixtures/proxy.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, clientOf, hub, MovableClock, stage, type StageOptions } from "../stage.ts";

const basic = (user: string): string => `Basic ${Buffer.from(`${user}:pass`).toString("base64")}`;
const grantTtl = 300_000;

/** Docker Hub with a token service; `team/app` is alice's, `other/app` bob's, `library/app` everybody's. */
async function tokenStage(t: Test, options: StageOptions = {}) {
  const clock = new MovableClock();
  const users = {
    alice: { password: "pass", pull: ["team/app"] },
    bob: { password: "pass", pull: ["other/app"] },
  };
  const tokens = await startTokenServer(t, {
    names: ["auth.docker.io"],
    realmPort: 443,
    service: "registry.docker.io",
    users,
    anonymous: ["library/app"],
    now: () => clock.now(),
  });
  const made = await stage(t, {
    clock,
    upstreams: [tokens],
    registry: { authorize: tokens.authorize },
    ...options,
  });
  const image = (repository: string) => made.registry.image({ repository, tag: "1", layers: [uniqueBytes(3000)] });
  const tokenOf = (user: string, ...names: string[]): string =>
    `Bearer ${tokens.token(
      user,
      names.map((name) => ({ type: "repository", name, actions: ["pull"] })),
    )}`;
  return { ...made, clock, tokens, image, tokenOf };
}

/** Status and cache status of a GET, in one word. */
async function ask(client: ProxyClient, path: string, authorization?: string): Promise<string> {
  const headers = authorization === undefined ? {} : { authorization };
  const { status, headers: given, body } = await client.request(path, { headers });
  if (status !== 200 && body.includes("layer")) return "a refusal with content";
  return status === 200 ? String(given[cacheStatus]) : String(status);
}

t.test(
  "a private image is served to whom its registry would serve it, warm and cold, by every name that it has",
  async (t) => {
    const staged = await tokenStage(t);
    const { registry, client, clock, tokenOf } = staged;
    const hers = staged.image("team/app");
    staged.image("other/app");
    const alice = tokenOf("alice", "team/app");
    const bob = tokenOf("bob", "other/app");
    const layer = hers.layers[0]?.digest ?? "";
    const cold = {
      "manifests/1": "MISS",
      [`manifests/${hers.digest}`]: "HIT",
      [`blobs/${layer}`]: "MISS",
    };
    for (const [path, expected] of Object.entries(cold)) {
      const at = `/v2/team/app/${path}`;
      t.equal(await ask(client, at, bob), "401", `${path}: before her`);
      t.equal(await ask(client, at, alice), expected, path);
      t.match(await ask(client, at, alice), /^(?:HIT|REVALIDATED)$/, path);
      const gets = registry.count({ method: "GET", status: 200 });
      for (const other of [
        bob,
        undefined,
        "Bearer expired",
        basic("bob"),
        tokenOf("bob"),
        tokenOf("alice", "other/app"),
      ]) {
        t.equal(await ask(client, at, other), "401", `${path}: ${String(other).slice(0, 12)}`);
      }
      if (path !== "manifests/1") {
        t.equal(await ask(client, `/v2/other/app/${path}`, bob), "404", `${path}: through another repository`);
      }
      const fresh = tokenOf("alice", "team/app", "team/else");
      t.match(await ask(client, at, fresh), /^(?:HIT|REVALIDATED)$/, `${path}: her next token`);
      t.equal(registry.count({ method: "GET", status: 200 }), gets, "and not a byte was fetched for it");
    }
    clock.time += grantTtl;
    for (const path of Object.keys(cold))
      t.equal(await ask(client, `/v2/team/app/${path}`, alice), "401", `${path}: it has expired`);
  },
);

t.test("with Basic, and what was taken back", async (t) => {
  const clock = new MovableClock();
  const readers = new Set([basic("alice")]);
  const { registry, client } = await stage(t, {
    clock,
    registry: {
      authorize: ({ headers }) => (readers.has(headers["authorization"] as string) ? undefined : 'Basic realm="r"'),
    },
  });
  const { layers } = registry.image({
    repository: "team/app",
    tag: "1",
    layers: [uniqueBytes(3000)],
  });
  const at = `/v2/team/app/blobs/${layers[0]?.digest}`;
  t.equal(await ask(client, at, basic("alice")), "MISS");
  t.equal(await ask(client, at, basic("alice")), "HIT");
  t.equal(await ask(client, at, basic("bob")), "401");
  t.equal(await ask(client, at), "401");
  readers.clear();
  clock.time += grantTtl;
  t.equal(await ask(client, at, basic("alice")), "401");
});

t.test("a manifest that refers to another's layer does not open it", async (t) => {
  const staged = await tokenStage(t);
  const { registry, client, tokenOf } = staged;
  const hers = staged.image("team/app");
  const layer = hers.layers[0];
  if (layer === undefined) throw new Error("It has one.");
  const bob = tokenOf("bob", "other/app");
  t.equal(await ask(client, `/v2/team/app/blobs/${layer.digest}`, tokenOf("alice", "team/app")), "MISS");
  registry.image({ repository: "other/app", tag: "2", layers: [layer] });
  registry.fault({ repository: "other/app", reference: layer.digest }, { status: 404, body: "" });
  t.equal(await ask(client, "/v2/other/app/manifests/2", bob), "MISS");
  t.equal(await ask(client, `/v2/other/app/blobs/${layer.digest}`, bob), "404");
});

t.test("a public image costs one proof; with everything gone, and after a restart, it is still pulled", async (t) => {
  const directory = t.testdir();
  const clock = new MovableClock();
  const tokens = await startTokenServer(t, {
    names: ["auth.docker.io"],
    realmPort: 443,
    service: "registry.docker.io",
    users: { alice: { password: "pass", pull: ["team/app"] } },
    anonymous: ["library/app"],
    now: () => clock.now(),
  });
  const registry = await startRegistry(t, { names: [hub], authorize: tokens.authorize });
  const { digest } = registry.image({
    repository: "library/app",
    tag: "1",
    layers: [uniqueBytes(3000)],
    index: true,
  });
  registry.image({ repository: "team/app", tag: "1", layers: [uniqueBytes(3000)] });
  const credentials = { user: "alice", password: "pass" };
  const before = await startProxy(t, { upstreams: [registry, tokens], directory, clock });
  const warming = clientOf(t, before);
  t.equal((await warming.pull("library/app", "1")).digest, digest);
  const hers = before.client(hub, { credentials });
  t.teardown(() => hers.close());
  await hers.pull("team/app", "1");
  registry.forget();
  await clientOf(t, before).pull("library/app", "1");
  t.equal(registry.count({ kind: "blob" }), 0, "the second fresh client's blobs cost no question");
  await before.stop();

  const nowhere = { hostMap: [`${hub}:443=127.0.0.1:1`, "auth.docker.io:443=127.0.0.1:1"] };
  const after = await startProxy(t, { upstreams: [nowhere], directory, clock });
  clock.time += 3 * 86_400_000;
  const pulled = await clientOf(t, after).pull("library/app", "1");
  t.equal(pulled.digest, digest);
  t.equal(pulled.tagCache, "STALE");
  const again = after.client(hub, { credentials });
  t.teardown(() => again.close());
  t.equal((await again.pull("library/app", "1")).digest, digest, "also by who has an account");
  // Nobody can tell whether she still may.
  await t.rejects(again.pull("team/app", "1"), { message: /^HEAD of team\/app:1 was answered with 50[24]/ });
});

t.test("CACHE_ACCESS=shared is as the old proxy was", async (t) => {
  const staged = await tokenStage(t, { env: { CACHE_ACCESS: "shared" } });
  const hers = staged.image("team/app");
  const at = `/v2/team/app/blobs/${hers.layers[0]?.digest}`;
  t.equal(await ask(staged.client, at, staged.tokenOf("alice", "team/app")), "MISS");
  t.equal(await ask(staged.client, at), "HIT");
});
