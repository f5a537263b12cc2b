import { Readable } from "node:stream";
import t from "tap";
import { openRaw } from "../../fixtures/raw-socket.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { cacheStatus, clientOf, MovableClock, stage } from "../stage.ts";

t.test("what is not content passes as the registry has it, uncached", async (t) => {
  const { registry, client } = await stage(t);
  for (const tag of ["1", "2", "3"]) registry.image({ repository: "library/app", tag, layers: [] });
  const { digest } = registry.image({ repository: "library/other", tag: "1", layers: [] });
  const cases: [path: string, status: number, body: RegExp][] = [
    ["/v2/library/app/tags/list", 200, /"tags":\["1","2","3"\]/],
    ["/v2/_catalog", 200, /"library\/app","library\/other"/],
    [`/v2/library/app/referrers/${digest}`, 200, /"manifests":\[\]/],
    ["/v2/library/app/some/extension", 404, /not found/],
    ["/robots.txt", 404, /not found/],
  ];
  for (const [path, status, body] of cases) {
    for (let round = 1; round <= 2; round += 1) {
      const answer = await client.request(path);
      t.match(answer, { status, headers: { [cacheStatus]: "BYPASS" } }, path);
      t.match(answer.body.toString(), body);
      t.equal(registry.count({ path }), round);
    }
  }
});

t.test("/v2/ passes, and what nobody in particular was answered is repeated for an hour", async (t) => {
  const clock = new MovableClock();
  const { registry, client } = await stage(t, { clock });
  const ask = async (headers: Record<string, string> = {}) => {
    const answer = await client.request("/v2/", { headers });
    t.match(answer, { status: 200 });
    t.match(answer.body.toString(), /^\{\}$/);
    return [answer.headers[cacheStatus], registry.count({ path: "/v2/" })];
  };
  t.same(await ask(), ["BYPASS", 1]);
  t.same(await ask(), ["HIT", 1]);
  t.same(await ask({ authorization: "Basic YTpi" }), ["BYPASS", 2], "a credential is the registry's to judge");
  clock.time += 3_600_000;
  t.same(await ask(), ["BYPASS", 3]);
});

t.test("a request in the body of another one stays there", async (t) => {
  const { registry, client } = await stage(t);
  const inner = "GET /v2/inner/tags/list HTTP/1.1\r\nhost: registry-1.docker.io\r\n\r\n";
  const headers = { "transfer-encoding": "chunked" };
  const body = Readable.from([Buffer.from(inner)]) as AsyncIterable<Uint8Array>;
  t.equal((await client.request("/v2/_catalog", { headers, body })).status, 200);
  t.equal((await client.request("/v2/")).status, 200);
  t.same(
    registry.requests.map(({ path }) => path),
    ["/v2/_catalog", "/v2/"],
  );
});

t.test("pages of a list are turned through the proxy", async (t) => {
  const { registry, client } = await stage(t);
  for (const tag of ["1", "2", "3"]) registry.image({ repository: "library/app", tag, layers: [] });
  const first = await client.request("/v2/library/app/tags/list?n=2");
  const next = /^<([^>]+)>; rel="next"$/.exec(String(first.headers["link"]))?.[1] ?? "";
  t.match(first.body.toString(), /\["1","2"\]/);
  const second = await client.request(next);
  t.match(second.body.toString(), /\["3"\]/);
  t.equal(second.headers["link"], undefined);
});

t.test("a challenge reaches the client as the registry words it", async (t) => {
  const challenge = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"';
  const { client } = await stage(t, { registry: { authorize: () => challenge } });
  t.match(await client.request("/v2/"), { status: 401, headers: { "www-authenticate": challenge } });
});

t.test("a client logs in by POST although nothing may be pushed", async (t) => {
  const tokens = await startTokenServer(t, {
    names: ["auth.docker.io"],
    realmPort: 443,
    users: { me: { password: "mine", pull: ["*"] } },
  });
  const { proxy } = await stage(t, { upstreams: [tokens] });
  const scope = "repository:library/app:pull";
  const form = new URLSearchParams({ grant_type: "password", service: "s", scope, username: "me", password: "mine" });
  const answer = await clientOf(t, proxy, "auth.docker.io").request("/token", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: Buffer.from(form.toString()),
  });
  t.equal(answer.status, 200);
  t.match(JSON.parse(answer.body.toString()), { token: /^ey/ });
  t.match(tokens.requests, [{ method: "POST", user: "me", scopes: [scope] }]);
});

t.test("a registry in plain HTTP is reached by the absolute form, and cached apart", async (t) => {
  const plain = await startRegistry(t, { tls: false, names: ["registry.test"] });
  const secure = await startRegistry(t, { names: ["registry.test"] });
  const hostMap = [...plain.hostMap, ...secure.hostMap].join(" ");
  const { proxy } = await stage(t, { env: { HOST_MAP: hostMap, REGISTRIES: "registry.test registry.test:80" } });
  const blob = plain.blob("app", uniqueBytes(200));
  const path = `/v2/app/blobs/${blob.digest}`;
  const raw = await openRaw(proxy.port);
  for (const status of ["MISS", "HIT"]) {
    raw.write(`GET http://registry.test${path} HTTP/1.1\r\nHost: registry.test\r\n\r\n`);
    const head = await raw.until("\r\n\r\n");
    t.match(head, /^HTTP\/1\.1 200 /);
    t.match(head, new RegExp(`^${cacheStatus}: ${status}\r$`, "im"));
    t.ok((await raw.bytes(200)).equals(blob.read(0, 200)));
  }
  raw.destroy();
  t.equal(plain.count(), 1);
  t.equal((await clientOf(t, proxy, "registry.test").request(path)).status, 404, "over TLS it is another registry");
  t.equal(secure.count({ path }), 1);
});
