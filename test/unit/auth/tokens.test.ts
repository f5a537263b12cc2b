import t from "tap";
import type { TokenAuthorizer, Unauthorized } from "../../../src/auth/tokens.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { makeOrigin, type Origin } from "../../../src/core/origin.ts";
import { type Serve, startTokenService } from "./token-service.ts";

const registry = makeOrigin("https", "registry.test");
const signal = new AbortController().signal;
const own = { host: "registry.test", user: "me", password: "hidden" };
const basic = `Basic ${Buffer.from("me:hidden").toString("base64")}`;
const challenge = 'Bearer realm="https://auth.test/token?a=b",service="registry",scope="repository:app:pull"';
const scope = "repository:app:pull";

const first: Unauthorized = { origin: registry, challenge, scope, anonymous: false, refused: basic, signal };
const numbered: Serve = (_asked, count) => ({ json: { token: `t${count}`, expires_in: 300 } });

async function beforehand(authorizer: TokenAuthorizer, origin: Origin, scope: string, signal: AbortSignal) {
  return (await authorizer.beforehand({ origin, scope, anonymously: false, signal }))?.authorization;
}

t.test("Basic until a challenge asks for more, then tokens without another", async (t) => {
  const { authorizer, asked } = startTokenService([own], numbered);
  t.equal(await beforehand(authorizer, registry, scope, signal), basic);
  t.same(await authorizer.answer(first), { authorization: "Bearer t1", injected: true });
  t.match(asked, [{ method: "GET", authorization: basic }]);
  t.equal(asked[0]?.url.href, "https://auth.test/token?a=b&service=registry&scope=repository%3Aapp%3Apull");
  t.equal(await beforehand(authorizer, registry, scope, signal), "Bearer t1");
  t.equal(asked.length, 1);
  t.equal(await beforehand(authorizer, registry, "repository:other:pull", signal), "Bearer t2");
  t.equal(asked[1]?.url.searchParams.get("scope"), "repository:other:pull");
  t.equal(await beforehand(authorizer, makeOrigin("https", "other.test"), scope, signal), undefined);
});

t.test("several scopes are several parameters", async (t) => {
  const { authorizer, asked } = startTokenService([own], numbered);
  await authorizer.answer({ ...first, challenge: 'Bearer realm="https://auth.test/",scope="a:b:pull c:d:push"' });
  t.same(asked[0]?.url.searchParams.getAll("scope"), ["a:b:pull", "c:d:push"]);
  t.equal(asked[0]?.url.searchParams.has("service"), false);
});

t.test("the scope of the challenge is remembered for what was asked", async (t) => {
  const { authorizer, asked } = startTokenService([own], numbered);
  const wider = challenge.replace("app:pull", "group/app:pull,push");
  await authorizer.answer({ ...first, challenge: wider });
  t.equal(await beforehand(authorizer, registry, scope, signal), "Bearer t1");
  t.equal(asked.length, 1);
});

t.test("the token service's own credential goes before the registry's", async (t) => {
  const service = { host: "auth.test", user: "main", password: "hidden2" };
  const { authorizer, asked } = startTokenService([own, service], numbered);
  await authorizer.answer(first);
  t.equal(asked[0]?.authorization, `Basic ${Buffer.from("main:hidden2").toString("base64")}`);
});

t.test("a registry behind a redirect gets anonymous tokens, or its own", async (t) => {
  const service = { host: "auth.test", user: "main", password: "hidden2" };
  const { authorizer, asked } = startTokenService([own, service], numbered);
  const strange = { ...first, origin: makeOrigin("https", "strange.test"), anonymous: true, refused: undefined };
  t.same(await authorizer.answer(strange), { authorization: "Bearer t1", injected: false });
  t.equal(asked[0]?.authorization, undefined, "no realm's credential for a host that names any realm it likes");
  t.equal(await beforehand(authorizer, strange.origin, scope, signal), undefined);
  const known = { ...first, anonymous: true, refused: undefined };
  t.same(await authorizer.answer(known), { authorization: "Bearer t2", injected: true });
  t.equal(asked[1]?.authorization, basic);
  t.same(await authorizer.answer({ ...strange }), { authorization: "Bearer t1", injected: false });
  t.equal(await authorizer.answer({ ...strange, anonymous: false }), undefined);
});

t.test("a Basic challenge takes the configured credential, if that is not what was refused", async (t) => {
  const { authorizer, asked } = startTokenService([own], numbered);
  const plain = { ...first, challenge: 'Basic realm="x"', anonymous: true };
  t.equal(await authorizer.answer(plain), undefined);
  t.same(await authorizer.answer({ ...plain, refused: undefined }), { authorization: basic, injected: true });
  const strange = { ...plain, origin: makeOrigin("https", "strange.test"), refused: undefined };
  t.equal(await authorizer.answer(strange), undefined);
  t.equal(await authorizer.answer({ ...plain, challenge: "Digest x", refused: undefined }), undefined);
  t.equal(asked.length, 0);
});

t.test("a realm that is not https gets nothing", async (t) => {
  const { authorizer, asked, lines } = startTokenService([own, { ...own, host: "plain.test", port: 80 }], numbered);
  for (const realm of ["http://auth.test/", "ftp://auth.test/", "/token", ""]) {
    t.equal(await authorizer.answer({ ...first, challenge: `Bearer realm="${realm}"` }), undefined, realm);
  }
  t.equal(await authorizer.answer({ ...first, challenge: "Bearer" }), undefined);
  t.equal(asked.length, 0);
  t.match(lines[0], /registry\.test/);
  const plain = { ...first, origin: makeOrigin("http", "plain.test"), challenge: 'Bearer realm="http://auth.test/"' };
  t.match(await authorizer.answer(plain), { authorization: "Bearer t1" });
});

t.test("one exchange for all who ask at once; who gives up does not end it", async (t) => {
  const answer = Promise.withResolvers<undefined>();
  const { authorizer, asked } = startTokenService([own], async (one, count) => {
    await answer.promise;
    return numbered(one, count);
  });
  const gone = new AbortController();
  const quitter = authorizer.answer({ ...first, signal: gone.signal });
  const others = [authorizer.answer(first), authorizer.answer(first)];
  gone.abort();
  await t.rejects(quitter, { code: "CANCELLED" });
  answer.resolve(undefined);
  t.match(await Promise.all(others), [{ authorization: "Bearer t1" }, { authorization: "Bearer t1" }]);
  t.equal(asked.length, 1);
  await t.rejects(beforehand(authorizer, registry, "new", gone.signal), { code: "CANCELLED" });
});

t.test("a token is renewed before it expires, and kept where that fails", async (t) => {
  let failing = false;
  const { authorizer, asked, clock, lines } = startTokenService([own], (one, count) =>
    failing ? { status: 503 } : numbered(one, count),
  );
  const get = () => beforehand(authorizer, registry, scope, signal);
  await authorizer.answer(first);
  clock.time += 250_000;
  t.equal(await get(), "Bearer t1");
  t.equal(asked.length, 1, "not before 85 %");
  clock.time += 6_000;
  failing = true;
  t.equal(await get(), "Bearer t1");
  await new Promise(setImmediate);
  t.equal(asked.length, 2);
  t.match(lines.join(""), /auth\.test.*503/);
  t.equal(await get(), "Bearer t1");
  t.equal(asked.length, 2, "not hammered");
  failing = false;
  clock.time += 6_000;
  t.equal(await get(), "Bearer t1", "nobody waits for a renewal");
  await new Promise(setImmediate);
  t.equal(await get(), "Bearer t3");
  clock.time += 301_000;
  t.equal(await get(), "Bearer t4", "an expired one is not sent");
});

t.test("how long a token lives", async (t) => {
  const cases: [what: string, answer: Record<string, unknown>, good: number, expired: number][] = [
    ["60 s where nothing is said", { token: "t" }, 59, 61],
    ["expires_in", { access_token: "t", expires_in: 600 }, 599, 601],
    ["from issued_at on", { token: "t", expires_in: 600, issued_at: "2023-11-14T22:08:20Z" }, 299, 301],
    ["a clock far behind", { token: "t", expires_in: 600, issued_at: "2020-01-01T00:00:00Z" }, 599, 601],
    ["a clock ahead", { token: "t", expires_in: 600, issued_at: "2030-01-01T00:00:00Z" }, 599, 601],
    ["nonsense", { token: "t", expires_in: -5, issued_at: "?" }, 59, 61],
  ];
  for (const [what, json, good, expired] of cases) {
    const { authorizer, asked, clock } = startTokenService([own], () => ({ json }));
    const start = clock.time;
    await authorizer.answer(first);
    clock.time = start + good * 1000;
    t.equal(await beforehand(authorizer, registry, scope, signal), "Bearer t", what);
    await new Promise(setImmediate);
    t.ok(asked.length <= 2);
    const fresh = startTokenService([own], () => ({ json }));
    await fresh.authorizer.answer(first);
    fresh.clock.time = start + expired * 1000;
    await beforehand(fresh.authorizer, registry, scope, signal);
    t.equal(fresh.asked.length, 2, `${what}: then a new one`);
  }
});

t.test("a refused exchange is no exchange for a few seconds", async (t) => {
  for (const status of [401, 403]) {
    const { authorizer, asked, clock } = startTokenService([own], () => ({ status }));
    t.equal(await authorizer.answer(first), undefined);
    t.equal(await authorizer.answer(first), undefined);
    t.equal(await beforehand(authorizer, registry, scope, signal), basic);
    t.equal(asked.length, 1);
    clock.time += 6_000;
    await authorizer.answer(first);
    t.equal(asked.length, 2);
  }
});

t.test("a service that has no GET is asked by POST", async (t) => {
  for (const status of [404, 405]) {
    const { authorizer, asked } = startTokenService([own], (one) =>
      one.method === "GET" ? { status } : { json: { access_token: "posted" } },
    );
    t.match(await authorizer.answer(first), { authorization: "Bearer posted" });
    t.equal(asked[1]?.authorization, undefined);
    t.same(Object.fromEntries(new URLSearchParams(asked[1]?.body)), {
      grant_type: "password",
      client_id: "entrepot",
      service: "registry",
      scope,
      username: "me",
      password: "hidden",
    });
    const strange = { ...first, origin: makeOrigin("https", "strange.test"), anonymous: true };
    t.equal(await authorizer.answer(strange), undefined, "not without a credential");
    t.equal(asked.length, 3);
  }
});

t.test("a token service out of order is an error, without a secret in it", async (t) => {
  const broken: [answer: Serve, code: string][] = [
    [() => ({ status: 500 }), "UPSTREAM_UNREACHABLE"],
    [() => ({ status: 429 }), "UPSTREAM_UNREACHABLE"],
    [() => ({ status: 302 }), "UPSTREAM_PROTOCOL"],
    [() => ({ text: "<html>hidden" }), "UPSTREAM_PROTOCOL"],
    [() => ({ json: null }), "UPSTREAM_PROTOCOL"],
    [() => ({ json: { token: "" } }), "UPSTREAM_PROTOCOL"],
    [() => ({ json: { token: "a\r\nb: hidden" } }), "UPSTREAM_PROTOCOL"],
    [() => ({ text: " ".repeat(2_000_000) }), "UPSTREAM_PROTOCOL"],
    [() => Promise.reject(new EntrepotError("UPSTREAM_UNRESOLVED", "no such host")), "UPSTREAM_UNRESOLVED"],
  ];
  for (const [answer, code] of broken) {
    const { authorizer, asked, clock, lines } = startTokenService([own], answer);
    const error: unknown = await authorizer.answer(first).catch((thrown: unknown) => thrown);
    t.match(error, { code });
    t.notMatch(`${String(error)} ${JSON.stringify(error)} ${lines.join("")}`, /hidden|aGlkZGVu/);
    t.equal(await beforehand(authorizer, registry, scope, signal), basic, "the registry may still take the password");
    await t.rejects(authorizer.answer(first), { code });
    t.equal(asked.length, 1, "not hammered");
    clock.time += 6_000;
    await t.rejects(authorizer.answer(first), { code });
    t.equal(asked.length, 2);
  }
});

t.test("a token service that never answers", async (t) => {
  const hanging: Serve = () => new Promise(() => {});
  const { authorizer } = startTokenService([own], hanging, {
    timeoutMs: 20,
    send: (request) =>
      new Promise((_resolve, reject) => {
        request.signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      }),
  });
  const alive = setTimeout(() => {}, 5000);
  await t.rejects(authorizer.answer(first), { code: "UPSTREAM_TIMEOUT", status: 504 });
  clearTimeout(alive);
});

t.test("a token that the registry does not take", async (t) => {
  const { authorizer, asked, clock } = startTokenService([own], numbered);
  await authorizer.answer(first);
  const refused = { ...first, refused: "Bearer t1" };
  t.equal(await authorizer.answer(refused), undefined, "one just issued is not asked for again");
  clock.time += 30_000;
  t.match(await authorizer.answer(refused), { authorization: "Bearer t2" });
  t.equal(asked.length, 2);
  t.equal(await beforehand(authorizer, registry, scope, signal), "Bearer t2");
});

t.test("memory is bounded", async (t) => {
  const { authorizer, asked } = startTokenService([own], numbered, { maxEntries: 2 });
  await authorizer.answer(first);
  for (const other of ["a", "b", "c"]) await beforehand(authorizer, registry, other, signal);
  await beforehand(authorizer, registry, scope, signal);
  t.equal(asked.length, 5, "the first had to go");
});

t.test("who may be anonymous gets a token of nobody's without a challenge, once one was answered", async (t) => {
  const { authorizer, asked } = startTokenService([], numbered);
  const nobodys = { origin: registry, scope, anonymously: true, signal };
  t.equal(await authorizer.beforehand(nobodys), undefined, "nothing is known yet");
  const answered = { authorization: "Bearer t1", injected: false };
  t.same(await authorizer.answer({ ...first, anonymous: true, refused: undefined }), answered);
  t.same(await authorizer.beforehand(nobodys), answered);
  const other = await authorizer.beforehand({ ...nobodys, scope: "repository:other:pull" });
  t.same(other, { authorization: "Bearer t2", injected: false });
  t.equal(await authorizer.beforehand({ ...nobodys, anonymously: false }), undefined, "clients of their own account");
  t.equal(await authorizer.beforehand({ ...nobodys, scope: undefined }), undefined);
  t.ok(asked.every(({ authorization }) => authorization === undefined));
});
