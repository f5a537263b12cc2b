import t, { type Test } from "tap";
import { type FrontClient, frontClient } from "../../fixtures/front-client.ts";
import { manifestAccept, type Received } from "../../fixtures/proxy-client.ts";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import type { FixtureRegistry } from "../../fixtures/registry.ts";
import { startZot } from "../../fixtures/zot.ts";
import { cacheStatus, lineOf, MovableClock, ociError } from "../stage.ts";

const docker =
  "docker/27.5.1 go/go1.22.11 git-commit/4c9b3b0 kernel/6.1 os/linux arch/amd64 UpstreamClient(compose/v2.32.4)";
const alice = Buffer.from("alice:wonder").toString("base64");
const challenge = 'Bearer realm="https://zot.example.test/docker-token"';

interface Staged {
  readonly zot: FixtureRegistry;
  readonly proxy: RunningProxy;
  readonly client: FrontClient;
  /** As docker asks. */
  docker(path: string, authorization?: string, method?: string): Promise<Received>;
}

async function stage(
  t: Test,
  env: Record<string, string> = {},
  clock?: MovableClock,
  directory?: string,
): Promise<Staged> {
  const zot = await startZot(t);
  const proxy = await startProxy(t, {
    upstreams: [zot],
    env: { ZOT_URL: "https://zot.test", MY_URL: "https://zot.example.test", SECRET: "for a test", ...env },
    ...(clock && { clock }),
    ...(directory !== undefined && { directory }),
  });
  const client = frontClient(proxy.port);
  return {
    zot,
    proxy,
    client,
    docker: (path, authorization, method = "GET") =>
      client.request(path, {
        method,
        headers: {
          "user-agent": docker,
          accept: manifestAccept,
          ...(authorization !== undefined && { authorization }),
        },
      }),
  };
}

const tokenOf = ({ body }: Received): string => (JSON.parse(body.toString()) as { token: string }).token;

t.test("docker without a credential is sent for a token, with which it is nobody at Zot", async (t) => {
  const { zot, proxy, docker } = await stage(t);
  const image = zot.image({ repository: "open", tag: "1", layers: [Buffer.from("layer")] });
  zot.image({ repository: "closed", tag: "1", layers: [Buffer.from("closed")] });
  for (const path of ["/v2", "/v2/"])
    t.match(await docker(path), { status: 401, headers: { "www-authenticate": challenge } }, path);
  t.equal(zot.requests.length, 0);
  const issued = await docker("/docker-token?account=x&service=");
  t.match(issued, { status: 200, headers: { "content-type": "application/json", "cache-control": "no-store" } });
  const bearer = `Bearer ${tokenOf(issued)}`;
  t.equal((await docker("/v2/", bearer)).status, 200);
  t.match(await docker("/v2/open/manifests/1", bearer), {
    status: 200,
    headers: { "docker-content-digest": image.manifest.digest },
  });
  const blob = `/v2/open/blobs/${image.layers[0]?.digest}`;
  for (const cache of ["MISS", "HIT"])
    t.match(await docker(blob, bearer), { status: 200, headers: { [cacheStatus]: cache } });
  t.equal((await docker("/v2/closed/manifests/1", bearer)).status, 401);
  t.ok(zot.requests.every(({ headers }) => headers["authorization"] === undefined));
  t.match(await lineOf(proxy, ({ cache }) => cache === "HIT"), { front: "zot", origin: "zot.test", path: blob });
});

t.test("docker with a credential gets that for its token, and Zot gets it as Basic", async (t) => {
  const { zot, docker } = await stage(t);
  zot.image({ repository: "closed", tag: "1", layers: [Buffer.from("closed")] });
  const issued = await docker("/docker-token", `Basic ${alice}`);
  t.same(JSON.parse(issued.body.toString()), { token: alice });
  t.equal((await docker("/v2/", `Bearer ${alice}`)).status, 200);
  t.equal((await docker("/v2/closed/manifests/1", `Bearer ${alice}`)).status, 200);
  t.ok(zot.requests.every(({ headers }) => headers["authorization"] === `Basic ${alice}`));
  t.equal((await docker("/v2/closed/manifests/1", `Basic ${alice}`)).status, 200, "or at once as such");
  t.equal((await docker("/v2/closed/blobs/uploads/", `Bearer ${alice}`, "POST")).status, 202, "and pushes");
  const wrong = Buffer.from("alice:looking-glass").toString("base64");
  t.equal((await docker("/v2/", `Bearer ${wrong}`)).status, 401);
  t.equal((await docker("/v2/closed/manifests/1", `Bearer ${wrong}`)).status, 401);
  t.equal((await docker("/docker-token", undefined, "POST")).status, 405, "a client that POSTs goes on with a GET");
});

t.test("a token of ours that is forged, or an hour old, gets a fresh challenge", async (t) => {
  const clock = new MovableClock();
  const { zot, docker } = await stage(t, {}, clock);
  const token = tokenOf(await docker("/docker-token"));
  const forged = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "Q"}x`;
  const refused = await docker("/v2/open/manifests/1", `Bearer ${forged}`);
  t.match(refused, { status: 401, headers: { "www-authenticate": challenge } });
  t.match(ociError(refused), { code: "UNAUTHORIZED" });
  t.equal((await docker("/v2/", `Bearer ${token}`)).status, 200);
  clock.time += 3_600_001;
  t.match(await docker("/v2/", `Bearer ${token}`), { status: 401, headers: { "www-authenticate": challenge } });
  t.equal(zot.requests.length, 1);
});

t.test("tokens outlive a restart and are good at every instance with the same secret, or the same CA", async (t) => {
  const one = await stage(t);
  const token = tokenOf(await one.docker("/docker-token"));
  t.equal((await (await stage(t)).docker("/v2/", `Bearer ${token}`)).status, 200);
  t.equal((await (await stage(t, { SECRET: "another" })).docker("/v2/", `Bearer ${token}`)).status, 401);
  const derived = await stage(t, { SECRET: "" });
  const own = tokenOf(await derived.docker("/docker-token"));
  await derived.proxy.stop();
  const again = await stage(t, { SECRET: "" }, undefined, derived.proxy.directory);
  t.equal((await again.docker("/v2/", `Bearer ${own}`)).status, 200);
});

t.test("whoever is not docker has Zot itself: its challenge, its pages, its searches, its pushes", async (t) => {
  const { zot, client } = await stage(t);
  zot.fault(
    { path: "/home" },
    { status: 200, body: "<html>Zot</html>", headers: { "content-type": "text/html", "set-cookie": "session=1" } },
  );
  zot.fault({ path: "/" }, { redirect: { status: 302, location: "/home" } });
  zot.fault({ path: "/v2/_zot/ext/search" }, { status: 200, body: '{"data":{}}' });
  zot.fault({ path: "/docker-token" }, { status: 404, body: "Zot has none" });
  const podman = { "user-agent": "containers/5.29.2 (github.com/containers/image)" };
  const anonymous = await client.request("/v2/closed/tags/list", { headers: podman });
  t.match(anonymous, { status: 401, headers: { "www-authenticate": 'Basic realm="Authorization Required"' } });
  t.equal((await client.request("/v2/", { headers: podman })).status, 200);
  t.match(await client.request("/", { headers: { accept: "text/html" } }), {
    status: 302,
    headers: { location: "/home" },
  });
  const home = await client.request("/home");
  t.match(home, { status: 200, headers: { "set-cookie": ["session=1"] } });
  t.equal(home.body.toString(), "<html>Zot</html>");
  const cookie = { cookie: "session=1" };
  t.equal((await client.request("/v2/_zot/ext/search?query=x", { headers: cookie })).status, 200);
  t.match(zot.requests.at(-1), { headers: cookie, method: "GET" });
  const query = Buffer.from('{"query":"{}"}');
  const json = { "content-type": "application/json", "content-length": String(query.length) };
  const headers = { ...json, authorization: `Basic ${alice}` };
  t.equal((await client.request("/v2/_zot/ext/search", { method: "POST", headers, body: query })).status, 200);
  t.match(zot.requests.at(-1), { method: "POST", headers: { "content-length": String(query.length) } });
  t.equal((await client.request("/docker-token", { headers: podman })).body.toString(), "Zot has none");
  const bearer = { ...podman, authorization: `Bearer ${alice}` };
  t.equal((await client.request("/v2/closed/tags/list", { headers: bearer })).status, 401, "a Bearer stays one");
  const basic = { ...podman, authorization: `Basic ${alice}` };
  t.equal((await client.request("/v2/closed/blobs/uploads/", { method: "POST", headers: basic })).status, 202);
  for (const method of ["PUT", "DELETE"]) await client.request("/v2/_zot/ext/userprefs", { method, headers: basic });
  t.match(zot.requests.at(-1), { method: "DELETE", headers: { authorization: `Basic ${alice}` } });
});

t.test("what is held of a closed repository goes to whom Zot would serve it", async (t) => {
  const { zot, docker, client } = await stage(t);
  const image = zot.image({ repository: "closed", tag: "1", layers: [Buffer.from("closed")] });
  const blob = `/v2/closed/blobs/${image.layers[0]?.digest}`;
  t.equal((await docker(blob, `Bearer ${alice}`)).headers[cacheStatus], "MISS");
  t.equal((await client.request(blob, { headers: { authorization: `Basic ${alice}` } })).headers[cacheStatus], "HIT");
  const anonymous = tokenOf(await docker("/docker-token"));
  t.equal((await docker(blob, `Bearer ${anonymous}`)).status, 401);
  t.equal((await docker(blob)).status, 401);
  t.equal((await client.request(blob)).status, 401);
});

t.test("with Zot gone a warm pull of what is open completes", async (t) => {
  const { zot, docker, client } = await stage(t);
  const image = zot.image({ repository: "open", tag: "1", layers: [Buffer.from("layer")] });
  const blob = `/v2/open/blobs/${image.layers[0]?.digest}`;
  const pull = async (): Promise<number[]> => {
    const ping = await docker("/v2/");
    const bearer = `Bearer ${tokenOf(await docker("/docker-token"))}`;
    const answers = [
      await docker("/v2/", bearer),
      await docker("/v2/open/manifests/1", bearer),
      await docker(blob, bearer),
    ];
    const skopeo = [
      await client.request("/v2/"),
      await client.request("/v2/open/manifests/1", { headers: { accept: manifestAccept } }),
    ];
    return [ping, ...answers, ...skopeo].map(({ status }) => status);
  };
  t.same(await pull(), [401, 200, 200, 200, 200, 200]);
  zot.fault({}, { closeMidHeader: true });
  t.same(await pull(), [401, 200, 200, 200, 200, 200]);
});

t.test("no credential and no token is in the log", async (t) => {
  const { proxy, docker } = await stage(t);
  const token = tokenOf(await docker("/docker-token"));
  await docker("/docker-token", `Basic ${alice}`);
  for (const bearer of [token, alice, `${token}x`]) await docker("/v2/closed/tags/list", `Bearer ${bearer}`);
  await proxy.stop();
  const log = JSON.stringify(proxy.logLines);
  for (const secret of ["wonder", alice, token, "for a test"]) t.notOk(log.includes(secret));
});

t.test("without MY_URL the token is fetched where docker asked", async (t) => {
  const { client } = await stage(t, { MY_URL: "" });
  const { headers } = await client.request("/v2/", { host: "zot.local:5000", headers: { "user-agent": docker } });
  t.equal(headers["www-authenticate"], 'Bearer realm="http://zot.local:5000/docker-token"');
});
