import { createServer, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import t, { type Test } from "tap";
import { createAnonymousTokens } from "../../../src/auth/anonymous.ts";
import { createOwnTokens } from "../../../src/auth/own-token.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { makeOrigin, type Origin } from "../../../src/core/origin.ts";
import { parseRegistryRequest } from "../../../src/core/request.ts";
import { Exchange } from "../../../src/serve/exchange.ts";
import { Offline } from "../../../src/serve/offline.ts";
import type { Shape, Shapes } from "../../../src/serve/shapes.ts";
import { sendError } from "../../../src/serve/write.ts";
import type { Fetch, UpstreamRequest } from "../../../src/upstream/types.ts";

const registry = makeOrigin("https", "reg.test", 5000);
const service = makeOrigin("https", "auth.test");
const challenge = 'Bearer realm="https://auth.test/token",service="reg"';
const scope = "scope=repository:library/app:pull";

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly injected?: boolean;
}

interface Client {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Given {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function stage(t: Test, intercepted = ["auth.test", "reg.test"], injected: readonly string[] = []) {
  const kept = new Map<string, Shape>();
  const shapes: Shapes = { get: async (key) => kept.get(key), put: async (key, shape) => void kept.set(key, shape) };
  const clock = { time: 1_700_000_000_000, now: () => clock.time };
  const own = createOwnTokens(Buffer.alloc(32, 7));
  const anonymous = createAnonymousTokens(clock);
  const seen: UpstreamRequest[] = [];
  let upstream: (request: UpstreamRequest) => Answer = () => ({ status: 200 });
  const fetch: Fetch = async (request) => {
    seen.push(request);
    request.body?.resume();
    const { status, headers = {}, body = "", injected = false } = upstream(request);
    const source = Readable.from([Buffer.from(body)]);
    const more = { rawHeaders: [], from: request.origin, address: undefined, attempts: 1, injected };
    return { status, headers, body: source, ...more };
  };
  const intercepts = ({ host }: Origin): boolean => intercepted.includes(host);
  const injects = ({ host }: Origin): boolean => injected.includes(host);
  const offline = new Offline({ fetch, shapes, own, anonymous, clock, intercepts, injects });
  let origin = registry;
  const server = createServer((request, response) => {
    const target = request.url ?? "";
    const exchange = new Exchange(request, response, { door: "connect", origin, target, client: "127.0.0.1" });
    offline.serve(exchange, origin, parseRegistryRequest(target)).catch((error: unknown) => sendError(exchange, error));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const get = (to: Origin, path: string, { method = "GET", headers = {}, body }: Client = {}): Promise<Given> => {
    origin = to;
    return new Promise((resolve, reject) => {
      const request = httpRequest({ port, host: "127.0.0.1", path, method, headers, agent: false }, (response) => {
        text(response).then(
          (read) => resolve({ status: response.statusCode, headers: response.headers, body: read }),
          reject,
        );
      });
      request.once("error", reject).end(body);
    });
  };
  const down = (): void => {
    upstream = () => {
      throw new EntrepotError("UPSTREAM_UNRESOLVED", "The name has no address.");
    };
  };
  return {
    get,
    clock,
    down,
    offline,
    kept,
    own,
    anonymous,
    seen,
    answers: (with_: typeof upstream) => void (upstream = with_),
  };
}

/** As Docker Hub answers. */
function hub({ origin, path }: UpstreamRequest): Answer {
  if (origin.host === "auth.test") return { status: 200, body: '{"token":"theirs","expires_in":300}' };
  return path === "/v2/"
    ? { status: 401, headers: { "www-authenticate": `${challenge},error="invalid_token"` }, body: "who?" }
    : { status: 404 };
}

t.test("with upstream and DNS gone, /v2/ and the token service answer as they did", async (t) => {
  const { get, down, own, answers, kept } = await stage(t);
  answers(hub);
  t.match(await get(registry, "/v2/"), { status: 401, headers: { "www-authenticate": /invalid_token/ }, body: "who?" });
  down();
  const ping = await get(registry, "/v2/");
  t.equal(ping.status, 401);
  t.equal(ping.headers["www-authenticate"], challenge, "without what was about one request");
  t.equal(ping.headers["docker-distribution-api-version"], "registry/2.0");
  const answer = await get(service, `/token?service=reg&${scope}`);
  t.equal(answer.status, 200);
  const { token, access_token: same, expires_in: seconds } = JSON.parse(answer.body) as Record<string, unknown>;
  t.equal(token, same);
  t.equal(seconds, 300);
  const authorization = `Bearer ${String(token)}`;
  t.ok(own.isOwn(authorization));
  t.equal((await get(registry, "/v2/", { headers: { authorization } })).status, 200);
  t.notMatch(JSON.stringify([...kept]), new RegExp(String(token)));
});

t.test("an answer of 429 or 5xx is an outage as well; any other is passed on", async (t) => {
  const { get, answers, own, clock } = await stage(t);
  answers(hub);
  await get(registry, "/v2/");
  clock.time += 3_600_000;
  for (const status of [429, 500, 503]) {
    answers(() => ({ status, body: "no" }));
    t.match(await get(registry, "/v2/"), { status: 401 }, `${status}`);
    const { body } = await get(service, `/token?${scope}`);
    t.ok(own.isOwn(`Bearer ${String((JSON.parse(body) as Record<string, unknown>)["token"])}`));
  }
  answers(() => ({ status: 403, body: "blocked" }));
  t.match(await get(registry, "/v2/"), { status: 403, body: "blocked" });
  t.match(await get(service, `/token?${scope}`), { status: 403, body: "blocked" });
  answers(() => ({ status: 503 }));
  t.match(await get(registry, "/v2/"), { status: 401 }, "and is not the shape from then on");
});

t.test("what nobody's /v2/ was answered is repeated for an hour without asking", async (t) => {
  const { get, answers, clock, seen } = await stage(t);
  answers(hub);
  await get(registry, "/v2/");
  answers(() => ({ status: 200, body: "open now" }));
  clock.time += 3_599_999;
  t.match(await get(registry, "/v2/"), { status: 401, headers: { "www-authenticate": challenge } });
  t.equal(seen.length, 1);
  t.match(await get(registry, "/v2/", { headers: { authorization: "Basic YTpi" } }), { body: "open now" });
  t.equal(seen.length, 2, "a credential is for the registry to judge");
  clock.time += 1;
  t.match(await get(registry, "/v2/"), { status: 200, body: "open now" });
  answers(hub);
  clock.time -= 1;
  t.equal((await get(registry, "/v2/")).status, 401, "a clock that was set back makes nothing fresh");
});

t.test(
  "what it was answered to a credential of ours, or to none, is repeated only as long as that is so",
  async (t) => {
    const withOne = await stage(t, undefined, ["reg.test"]);
    withOne.answers(() => ({ status: 200, injected: true }));
    for (const time of ["first", "second"]) t.equal((await withOne.get(registry, "/v2/")).status, 200, time);
    t.equal(withOne.seen.length, 1);
    const without = await stage(t);
    without.answers(hub);
    const started = ({ clock }: typeof without): number => clock.time - 1;
    for (const [key, shape] of withOne.kept) without.kept.set(key, { ...shape, at: started(without) });
    t.equal((await without.get(registry, "/v2/")).status, 401, "taken away");
    for (const kept of [without.kept, withOne.kept]) {
      const again = await stage(t, undefined, ["reg.test"]);
      again.answers(() => ({ status: 200, injected: true }));
      for (const [key, shape] of kept) again.kept.set(key, { ...shape, at: started(again) });
      t.equal((await again.get(registry, "/v2/")).status, 200);
      t.equal(again.seen.length, 1, "given, or perhaps another one");
    }
  },
);

t.test("a registry that challenges for content differently than for /v2/ is asked for /v2/ again", async (t) => {
  const { get, answers, offline, seen } = await stage(t);
  answers(hub);
  await get(registry, "/v2/");
  const content = { origin: registry, path: "/v2/library/app/manifests/1" };
  const answer = (realm: string) => ({
    status: 401,
    headers: {
      "www-authenticate": `Bearer realm="https://auth.test/${realm}",service="reg",scope="repository:a:pull"`,
    },
    from: registry,
  });
  await offline.noteChallenge(content, answer("token"));
  await get(registry, "/v2/");
  t.equal(seen.length, 1, "the same challenge changes nothing");
  await offline.noteChallenge(content, answer("moved"));
  t.equal((await get(registry, "/v2/")).status, 401);
  t.equal(seen.length, 2);
  await get(registry, "/v2/");
  t.equal(seen.length, 2, "and what it said is repeated from then on");
});

t.test("nor is a challenge whose token service does not come through here repeated unasked", async (t) => {
  const { get, answers, seen } = await stage(t, ["reg.test"]);
  answers(hub);
  await get(registry, "/v2/");
  await get(registry, "/v2/");
  t.equal(seen.length, 2);
});

t.test("nothing is made up", async (t) => {
  const { get, down, own } = await stage(t);
  down();
  t.equal((await get(registry, "/v2/")).status, 502, "a registry that never answered");
  for (const path of ["/token", "/token?service=reg&offline_token=true", "/token?scope=repository:a:push"]) {
    const { status, body } = await get(service, path);
    t.equal(status, 502, `${path}: a login is not confirmed`);
    t.notMatch(body, /entrepot\./);
  }
  const headers = { authorization: "Basic YTpi" };
  t.equal((await get(registry, "/v2/", { headers })).status, 502, "nor is a credential");
  const posted = await get(service, "/token", { method: "POST", body: "grant_type=password&password=x" });
  t.match(posted, { status: 405, headers: { allow: "GET" } });
  t.notMatch(posted.body, /entrepot\./);
  const { body } = await get(service, `/token?${scope}`, { headers });
  t.ok(
    own.isOwn(`Bearer ${String((JSON.parse(body) as Record<string, unknown>)["token"])}`),
    "a pull is for what is public",
  );
});

t.test("who brings a credential is not made the shape of those who bring none", async (t) => {
  const { get, answers, down } = await stage(t);
  answers(hub);
  await get(registry, "/v2/");
  answers(() => ({ status: 200, body: "{}" }));
  await get(registry, "/v2/", { headers: { authorization: "Bearer x" } });
  await get(registry, "/v2/", { headers: { "x-api-key": "x" } });
  down();
  t.equal((await get(registry, "/v2/")).status, 401);
  t.equal((await get(registry, "/v2/", { headers: { authorization: "Basic YTpi" } })).status, 502, "nor is it theirs");
});

t.test("a challenge to a request for content will do", async (t) => {
  const { get, offline, down } = await stage(t);
  const headers = { "www-authenticate": `${challenge},scope="repository:a:pull"` };
  await offline.noteChallenge(
    { origin: registry, path: "/v2/library/app/manifests/1" },
    { status: 401, headers, from: makeOrigin("https", "other.test") },
  );
  down();
  t.equal((await get(registry, "/v2/")).status, 502, "another host's says nothing");
  await offline.noteChallenge(
    { origin: registry, path: "/v2/library/app/manifests/1" },
    { status: 401, headers, from: registry },
  );
  t.match(await get(registry, "/v2/"), { status: 401, headers: { "www-authenticate": challenge } });
});

t.test("a token service that does not come through us is stood in for", async (t) => {
  const { get, answers, down } = await stage(t, ["reg.test"]);
  answers(hub);
  await get(registry, "/v2/");
  down();
  const { headers } = await get(registry, "/v2/");
  t.equal(headers["www-authenticate"], 'Bearer realm="https://reg.test:5000/v2/token",service="reg"');
  t.equal((await get(registry, `/v2/token?${scope}`)).status, 200);
});

t.test("a token service may be anywhere: challenges tell", async (t) => {
  const { get, answers, offline } = await stage(t);
  const at = (path: string, origin = service) => {
    const arrival = { door: "connect" as const, origin, target: path, client: "" };
    const request = { method: "GET", headers: {} } as ConstructorParameters<typeof Exchange>[0];
    const response = { once: () => undefined } as unknown as ConstructorParameters<typeof Exchange>[1];
    return offline.isFor(new Exchange(request, response, arrival), origin, parseRegistryRequest(path));
  };
  t.notOk(await at("/odd/place?service=x"));
  answers(() => ({ status: 401, headers: { "www-authenticate": 'Bearer realm="https://auth.test/odd/place"' } }));
  await get(registry, "/v2/");
  t.ok(await at("/odd/place?service=x"));
  t.notOk(await at("/odd/place", registry));
  t.ok(await at("/v2/"));
  t.ok(await at("/token?x"));
  t.notOk(await at("/v2/a/tags/list"));
});

t.test("a token that was issued to nobody is known, any other is not", async (t) => {
  const { get, answers, anonymous, offline, kept } = await stage(t);
  const answer = { status: 200, body: '{"token":"theirs","expires_in":300}' };
  const known = () => anonymous.until("Bearer theirs", registry) !== undefined;
  answers(hub);
  await get(registry, "/v2/");
  const cases: [what: string, path: string, client: Client, answer: Answer][] = [
    ["with Basic", `/token?${scope}`, { headers: { authorization: "Basic YTpi" } }, answer],
    ["with a cookie", `/token?${scope}`, { headers: { cookie: "a=b" } }, answer],
    ["with an account", `/token?account=a&${scope}`, {}, answer],
    ["by POST", "/token", { method: "POST", body: "grant_type=refresh_token" }, answer],
    ["with a body", `/token?${scope}`, { body: "password=x", headers: { "content-length": "10" } }, answer],
    ["to a credential of ours", `/token?${scope}`, {}, { ...answer, injected: true }],
    ["refused", `/token?${scope}`, {}, { ...answer, status: 400 }],
  ];
  for (const [what, path, client, said] of cases) {
    answers(() => said);
    t.equal((await get(service, path, client)).body, answer.body, what);
    t.notOk(known(), what);
  }
  answers(() => answer);
  t.equal((await get(service, `/token?${scope}`, { headers: { "accept-encoding": "gzip" } })).body, answer.body);
  t.ok(known());
  const elsewhere = makeOrigin("https", "elsewhere.test");
  t.equal(anonymous.until("Bearer theirs", elsewhere), undefined);
  const headers = { "www-authenticate": challenge };
  await offline.noteChallenge(
    { origin: elsewhere, path: "/v2/library/app/manifests/1" },
    { status: 401, headers, from: elsewhere },
  );
  t.ok(anonymous.until("Bearer theirs", elsewhere), "a registry's own challenge names who says so");
  const third = makeOrigin("https", "third.test");
  kept.set("ping|third.test", { status: 401, challenge });
  await offline.noteChallenge(
    { origin: third, path: "/v2/library/app/manifests/1" },
    { status: 401, headers, from: third },
  );
  t.ok(anonymous.until("Bearer theirs", third), "also where its shape was known from before");
});

t.test("a token is asked for as plain text", async (t) => {
  const { get, seen } = await stage(t);
  await get(service, `/token?${scope}`, { headers: { "accept-encoding": "gzip" } });
  t.equal(seen[0]?.headers["accept-encoding"], "identity");
});
