import { createHash } from "node:crypto";
import t from "tap";
import { tokenOf } from "../../fixtures/challenged-client.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import { MovableClock, ociError } from "../stage.ts";
import { accounts, alice, imageStage, self } from "./image-stage.ts";

const accept = { accept: manifestAccept };
const challenge = `Bearer realm="${self}/v2/auth",service="docker-image-proxy"`;
const basic = { authorization: `Basic ${Buffer.from(`${alice.user}:${alice.password}`).toString("base64")}` };

t.test("an open registry takes pushes of accounts, and each Location leads on here", async (t) => {
  const { registry, front, client } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  t.equal((await front.request("/v2/team/app/blobs/uploads/", { method: "POST" })).status, 401);
  const token = tokenOf(await client(alice).token(challenge, ["repository:team/app:pull,push"]));
  const headers = { authorization: `Bearer ${token}` };
  const begun = await front.request("/v2/team/app/blobs/uploads/", { method: "POST", headers });
  t.equal(begun.status, 202);
  const location = String(begun.headers["location"]);
  t.match(location, /^\/v2\/team\/app\/blobs\/uploads\//);
  const content = Buffer.from("pushed");
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const where = `${location}${location.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
  t.equal((await front.request(where, { method: "PUT", headers, body: content })).status, 201);
  t.equal((await client(alice).request(`/v2/team/app/blobs/${digest}`)).body.toString(), "pushed");
  t.equal(registry.count({ where: (seen) => seen.headers["authorization"] !== undefined }), 0);
});

t.test("a token of ours ends after its day, and with its account", async (t) => {
  const clock = new MovableClock();
  const first = await imageStage(t, { env: { ACCOUNTS: accounts }, clock });
  first.registry.image({ repository: "app", tag: "1", layers: [] });
  const token = tokenOf(await first.client(alice).token(challenge));
  const headers = { ...accept, authorization: `Bearer ${token}` };
  const status = async (front = first.front) => (await front.request("/v2/app/manifests/1", { headers })).status;
  t.equal(await status(), 200);
  clock.time += 24 * 3_600_000 + 6000;
  t.equal(await status(), 401);
  clock.time -= 3_600_000;
  t.equal(await status(), 200);
  await first.proxy.stop();
  const { registry: running } = first;
  const { directory } = first.proxy;
  const again = await imageStage(t, { env: { ACCOUNTS: accounts }, clock, running, directory });
  t.equal(await status(again.front), 200, "after a restart");
  await again.proxy.stop();
  const bob = Buffer.from("bob:his").toString("base64");
  const without = await imageStage(t, { env: { ACCOUNTS: bob }, clock, running, directory });
  t.equal(await status(without.front), 401, "her account is gone");
});

t.test("instances with one SERVER_SECRET take each other's tokens, others do not", async (t) => {
  const env = { ACCOUNTS: accounts, SERVER_SECRET: "a secret that both of them have" };
  const one = await imageStage(t, { env });
  const other = await imageStage(t, { env });
  const stranger = await imageStage(t, { env: { ...env, SERVER_SECRET: "another secret" } });
  const token = tokenOf(await one.client(alice).token(challenge));
  const ping = async (front: typeof one.front) =>
    (await front.request("/v2/", { headers: { authorization: `Bearer ${token}` } })).status;
  t.equal(await ping(one.front), 200);
  t.equal(await ping(other.front), 200);
  t.equal(await ping(stranger.front), 401);
  const warned = (stage: typeof one): boolean => stage.proxy.logLines.some(({ event }) => event === "short-secret");
  t.same([one, stranger].map(warned), [false, true]);
});

t.test("docker search asks the registry's own index, which is shown no account", async (t) => {
  const { registry, front } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  const found = { num_results: 1, query: "app", results: [{ name: "team/app" }] };
  registry.fault({ path: "/v1/search" }, { status: 200, body: JSON.stringify(found) });
  t.match(await front.request("/v1/_ping"), { status: 200, body: Buffer.from("true") });
  const answer = await front.request("/v1/search?q=app&n=7", { headers: basic });
  t.equal(answer.status, 200);
  t.same(JSON.parse(answer.body.toString()), found);
  const seen = registry.requests.find(({ path }) => path === "/v1/search");
  t.equal(seen?.query.toString(), "q=app&n=7");
  t.equal(seen?.headers["authorization"], undefined);
  const nobody = await front.request("/v1/search?q=app");
  t.match(nobody, { status: 401, headers: { "www-authenticate": 'Basic realm="docker-image-proxy"' } });
  t.equal((await front.request("/v1/search?q=app", { method: "POST", headers: basic })).status, 405);
});

t.test("Docker Hub's index is another host, which is shown nothing", async (t) => {
  const index = await startRegistry(t, { names: ["index.docker.io"] });
  index.fault({ path: "/v1/search" }, { status: 200, body: "{}" });
  const { front } = await imageStage(t, {
    upstreams: [index],
    env: { UPSTREAM_REGISTRY: "https://registry-1.docker.io" },
  });
  t.equal((await front.request("/v1/search?q=app&n=25", { headers: basic })).status, 200);
  t.match(index.requests, [{ path: "/v1/search", headers: { host: "index.docker.io", authorization: undefined } }]);
});

t.test("while a registry that nobody knows is gone, accounts are judged and others wait for it", async (t) => {
  const { registry, client, front } = await imageStage(t, { env: { ACCOUNTS: accounts } });
  registry.fault({}, { status: 503 });
  t.equal(await client(alice).login(), 200);
  t.equal(await client({ ...alice, password: "wrong" }).login(), 401);
  t.equal((await front.request("/v2/")).headers["www-authenticate"], challenge);
  const open = await imageStage(t);
  open.registry.fault({}, { status: 503 });
  const answer = await open.front.request("/v2/");
  t.equal(answer.status, 502);
  t.equal(ociError(answer).code, "UPSTREAM_UNREACHABLE");
});
