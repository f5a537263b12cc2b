import t, { type Test } from "tap";
import { frontClient } from "../../fixtures/front-client.ts";
import { startProxy } from "../../fixtures/proxy.ts";
import { startZot } from "../../fixtures/zot.ts";

const page = "https://app.example.test";

async function stage(t: Test, env: Record<string, string> = {}) {
  const zot = await startZot(t);
  const proxy = await startProxy(t, { upstreams: [zot], env: { ZOT_URL: "https://zot.test", ...env } });
  return { zot, client: frontClient(proxy.port) };
}

function preflight(origin: string, method: string, fields?: string) {
  const wanted = fields === undefined ? {} : { "access-control-request-headers": fields };
  return { method: "OPTIONS", headers: { origin, "access-control-request-method": method, ...wanted } };
}

t.test("a preflight is answered here, and allows reading alone", async (t) => {
  const { zot, client } = await stage(t);
  for (const [method, fields] of [
    ["GET", undefined],
    ["HEAD", "accept"],
    ["GET", "Content-Type, accept,origin"],
  ] as const) {
    const answer = await client.request("/v2/_catalog", preflight(page, method, fields));
    t.match(answer, {
      status: 204,
      headers: {
        "access-control-allow-origin": page,
        "access-control-allow-methods": "GET, HEAD, OPTIONS",
        "access-control-allow-headers": "Accept, Content-Type, Origin",
        vary: /Origin/,
      },
    });
  }
  for (const [method, fields] of [
    ["DELETE", undefined],
    ["PUT", "accept"],
    ["GET", "authorization"],
    ["GET", "accept, x-key"],
  ] as const) {
    const { status, headers } = await client.request("/v2/_catalog", preflight(page, method, fields));
    t.equal(status, 204);
    t.equal(headers["access-control-allow-methods"], undefined, `${method} ${fields}`);
    t.equal(headers["access-control-allow-headers"], undefined, `${method} ${fields}`);
  }
  t.equal(zot.requests.length, 0);
  await client.request("/v2/", { method: "OPTIONS", headers: { origin: page } });
  t.match(zot.requests, [{ method: "OPTIONS" }], "what is no preflight is Zot's");
});

t.test("each answer has one Access-Control-Allow-Origin, also where Zot sends one of its own", async (t) => {
  const { zot, client } = await stage(t);
  zot.fault(
    {},
    { headers: { "access-control-allow-origin": "*", "access-control-allow-credentials": "true", vary: "Accept" } },
  );
  const cases: [path: string, agent: string, status: number][] = [
    ["/v2/", "curl", 200],
    ["/v2/", "docker/27.0.0", 401],
    ["/docker-token", "docker/27.0.0", 200],
    ["/v2/closed/tags/list", "curl", 401],
    ["/v2/open/manifests/none", "curl", 404],
    ["/nothing", "curl", 404],
  ];
  for (const [path, agent, status] of cases) {
    const answer = await client.request(path, { headers: { origin: page, "user-agent": agent } });
    t.match(answer, { status, headers: { "access-control-allow-origin": page, vary: /Origin/ } }, path);
    t.equal(answer.headers["access-control-allow-credentials"], undefined, path);
  }
  const { headers } = await client.request("/v2/");
  t.equal(headers["access-control-allow-origin"], undefined, "none for who is no page");
  t.match(headers["vary"], /Accept, Origin/);
});

t.test("the pages that may read are told by patterns", async (t) => {
  const { client } = await stage(t, { CORS_ALLOWED_ORIGINS: "https://*.example.test,http://localhost:*" });
  const cases: [origin: string, allowed: boolean][] = [
    [page, true],
    ["https://APP.example.test", true],
    ["http://localhost:8080", true],
    ["https://example.test", false],
    ["http://app.example.test", false],
    ["https://app.example.test.evil.test", false],
    ["https://evil.test", false],
    ["null", false],
  ];
  for (const [origin, allowed] of cases) {
    const { headers } = await client.request("/v2/", { headers: { origin } });
    t.equal(headers["access-control-allow-origin"], allowed ? origin : undefined, origin);
    const asked = await client.request("/v2/", preflight(origin, "GET"));
    t.equal(asked.headers["access-control-allow-methods"] !== undefined, allowed, origin);
  }
});
