import type { IncomingMessage, ServerResponse } from "node:http";
import t, { type Test } from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { type HopSeen, createUpstream } from "../../../src/upstream/client.ts";
import type { Answered, Authorizer, ChallengeAnswer, UpstreamRequest } from "../../../src/upstream/types.ts";
import { createAuthority, dialerOptions, serveHttps } from "./tls-server.ts";

const pair = createAuthority(t.testdir()).issue("registry.test");

interface Seen {
  readonly host: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly cookie: string | undefined;
}

type Answers = Record<string, (message: IncomingMessage, response: ServerResponse) => void>;

/** Several hosts on one port; each is a function of the request. `PORT` in a Location is that port. */
async function start(t: Test, answers: Answers, authorizer: Partial<Authorizer> = {}) {
  const seen: Seen[] = [];
  const hops: HopSeen[] = [];
  const server = await serveHttps(t, pair, (message, response) => {
    const host = message.headers.host?.replace(/:\d+$/, "") ?? "";
    const { authorization, cookie } = message.headers;
    seen.push({ host, url: message.url ?? "", authorization, cookie });
    answers[host]?.(message, response);
  });
  const upstream = createUpstream({
    dialer: dialerOptions({ verify: false }),
    timeouts: { readMs: 5000, sendMs: 5000 },
    authorizer: () => ({ beforehand: async () => undefined, answer: async () => undefined, ...authorizer }),
    onHop: (hop) => hops.push(hop),
  });
  t.teardown(() => upstream.close());
  const fetch = (request: Partial<UpstreamRequest> = {}) =>
    upstream.fetch({
      origin: makeOrigin("https", "registry.test", server.port),
      method: "GET",
      path: "/start",
      headers: {},
      authorization: undefined,
      scope: undefined,
      redirects: "follow",
      signal: new AbortController().signal,
      ...request,
    });
  return { fetch, seen, hops, server, port: server.port };
}

function to(location: string, status = 307) {
  return (_message: IncomingMessage, response: ServerResponse) => {
    const port = (response.socket?.localPort ?? 0).toString();
    response.writeHead(status, { location: location.replace("PORT", port) }).end("moved");
  };
}

function ok(_message: IncomingMessage, response: ServerResponse): void {
  response.end("ok");
}

/** 401 with a challenge until the Authorization is the right one. */
function guarded(challenge: string, right: string, then = ok) {
  return (message: IncomingMessage, response: ServerResponse) => {
    if (message.headers.authorization === right) return then(message, response);
    return void response.writeHead(401, { "www-authenticate": challenge }).end("who?");
  };
}

async function text(response: { readonly body: AsyncIterable<Buffer> }): Promise<string> {
  let all = "";
  for await (const piece of response.body) all += piece.toString();
  return all;
}

t.test("an Authorization does not leave its origin, nor does it come back", async (t) => {
  let back = false;
  const { fetch, seen, port } = await start(t, {
    "registry.test": (message, response) => {
      if (message.url === "/start") return to("/second", 302)(message, response);
      if (message.url === "/final") return ok(message, response);
      if (back) return to("/final")(message, response);
      return to("https://cdn.test:PORT/blob?signature=1")(message, response);
    },
    "cdn.test": (message, response) => {
      back = true;
      to("https://registry.test:PORT/private")(message, response);
    },
  });
  const response = await fetch({ authorization: "Bearer theirs", headers: { cookie: "c", accept: "a" } });
  t.equal(await text(response), "ok");
  t.same(seen, [
    { host: "registry.test", url: "/start", authorization: "Bearer theirs", cookie: "c" },
    { host: "registry.test", url: "/second", authorization: "Bearer theirs", cookie: "c" },
    { host: "cdn.test", url: "/blob?signature=1", authorization: undefined, cookie: undefined },
    { host: "registry.test", url: "/private", authorization: undefined, cookie: undefined },
    { host: "registry.test", url: "/final", authorization: undefined, cookie: undefined },
  ]);
  t.match(response, { status: 200, attempts: 5, injected: false, address: `127.0.0.1:${port}` });
  t.equal(response.from.name, `registry.test:${port}`);
});

t.test("another port or scheme is another origin", async (t) => {
  const other = await start(t, { "registry.test": ok });
  const { fetch } = await start(t, { "registry.test": to(`https://registry.test:${other.port}/`) });
  const response = await fetch({ authorization: "Bearer theirs" });
  t.equal(await text(response), "ok");
  t.equal(other.seen[0]?.authorization, undefined);
  t.equal(response.from.port, other.port);
});

t.test("ours is not sent on either; what it led to is not public", async (t) => {
  const { fetch, seen } = await start(
    t,
    { "registry.test": to("https://cdn.test:PORT/blob"), "cdn.test": ok },
    { beforehand: async () => ({ authorization: "Basic ours", injected: true }) },
  );
  t.match(await fetch(), { status: 200, injected: true });
  t.same(
    seen.map((one) => one.authorization),
    ["Basic ours", undefined],
  );
});

t.test("redirects that lead nowhere", async (t) => {
  let count = 0;
  const { fetch, server } = await start(t, {
    "registry.test": to("/start"),
    "endless.test": (message, response) => to(`/${++count}`)(message, response),
    "down.test": to("http://cdn.test:PORT/"),
  });
  await t.rejects(fetch(), { code: "UPSTREAM_REDIRECTS" });
  const origin = (host: string) => makeOrigin("https", host, server.port);
  await t.rejects(fetch({ origin: origin("endless.test") }), { code: "UPSTREAM_REDIRECTS", message: /10/ });
  t.equal(count, 11);
  await t.rejects(fetch({ origin: origin("down.test") }), { code: "UPSTREAM_REDIRECTS", message: /plain http/ });
});

t.test("a redirect that is passed, and one of a request with a body", async (t) => {
  const { fetch, seen } = await start(t, { "registry.test": to("https://cdn.test:PORT/x", 307), "cdn.test": ok });
  const passed = await fetch({ redirects: "pass" });
  t.equal(passed.status, 307);
  t.match(passed.headers.location, /^https:\/\/cdn\.test/);
  t.equal(await text(passed), "moved");
  const { Readable } = await import("node:stream");
  t.equal((await fetch({ method: "PUT", body: Readable.from([Buffer.from("x")]) })).status, 307);
  t.equal(seen.length, 2);
});

t.test("HEAD stays HEAD on its way", async (t) => {
  const { fetch, hops } = await start(t, { "registry.test": to("https://cdn.test:PORT/x", 303), "cdn.test": ok });
  t.equal((await fetch({ method: "HEAD" })).status, 200);
  t.same(
    hops.map((hop) => hop.method),
    ["HEAD", "HEAD"],
  );
});

t.test("the requester's own 401 is its answer", async (t) => {
  const answer = async () => t.fail("not ours to answer") as never;
  const { fetch } = await start(t, { "registry.test": guarded('Bearer realm="x"', "never") }, { answer });
  for (const authorization of ["Bearer theirs", undefined]) {
    const response = await fetch({ authorization });
    t.match(response, { status: 401, attempts: 1, injected: false });
    t.equal(response.headers["www-authenticate"], 'Bearer realm="x"');
    t.equal(await text(response), "who?");
  }
});

t.test("a challenge to our credential is answered, once", async (t) => {
  const asked: ChallengeAnswer[] = [];
  const answer = async (challenge: ChallengeAnswer): Promise<Answered> => {
    asked.push(challenge);
    return { authorization: "Bearer ours", injected: true };
  };
  const beforehand = async () => ({ authorization: "Basic ours", injected: true });
  const { fetch, seen } = await start(
    t,
    { "registry.test": guarded("Bearer realm=r", "Bearer ours"), "strict.test": guarded("Bearer realm=r", "never") },
    { beforehand, answer },
  );
  t.match(await fetch({ scope: "repository:a:pull" }), { status: 200, attempts: 2, injected: true });
  t.match(asked, [
    { challenge: "Bearer realm=r", scope: "repository:a:pull", anonymous: false, refused: "Basic ours" },
  ]);
  const origin = makeOrigin("https", "strict.test", asked[0]?.origin.port);
  t.match(await fetch({ origin }), { status: 401, attempts: 2, injected: true });
  t.same(
    seen.map((one) => one.authorization),
    ["Basic ours", "Bearer ours", "Basic ours", "Bearer ours"],
  );
});

t.test("a registry behind a redirect is answered anonymously", async (t) => {
  const asked: ChallengeAnswer[] = [];
  const answer = async (challenge: ChallengeAnswer): Promise<Answered> => {
    asked.push(challenge);
    return { authorization: `Bearer for ${challenge.origin.host}`, injected: false };
  };
  const { fetch, seen } = await start(
    t,
    {
      "registry.test": to("https://one.test:PORT/v2/x"),
      "one.test": guarded("Bearer one", "Bearer for one.test", to("https://two.test:PORT/v2/y")),
      "two.test": guarded("Bearer two", "Bearer for two.test", to("https://cdn.test:PORT/z")),
      "cdn.test": ok,
    },
    { answer },
  );
  const response = await fetch({ authorization: "Bearer theirs", scope: "repository:front:pull" });
  t.match(response, { status: 200, attempts: 6, injected: false });
  t.match(asked, [
    { origin: { host: "one.test" }, scope: undefined, anonymous: true, refused: undefined },
    { origin: { host: "two.test" }, scope: undefined, anonymous: true, refused: undefined },
  ]);
  t.same(
    seen.map((one) => `${one.host} ${one.authorization}`),
    [
      "registry.test Bearer theirs",
      "one.test undefined",
      "one.test Bearer for one.test",
      "two.test undefined",
      "two.test Bearer for two.test",
      "cdn.test undefined",
    ],
  );
});

t.test("an anonymous token on the way does not make public what ours opened", async (t) => {
  const { fetch } = await start(
    t,
    { "registry.test": to("https://one.test:PORT/v2/x"), "one.test": guarded("Bearer one", "Bearer anonymous") },
    {
      beforehand: async () => ({ authorization: "Basic ours", injected: true }),
      answer: async () => ({ authorization: "Bearer anonymous", injected: false }),
    },
  );
  t.match(await fetch(), { status: 200, attempts: 3, injected: true });
});

t.test("a challenge that has no answer is the answer", async (t) => {
  const { fetch, server } = await start(t, {
    "registry.test": to("https://one.test:PORT/"),
    "one.test": guarded("Basic realm=x", "never"),
    "bare.test": (_message, response) => void response.writeHead(401).end(),
  });
  const response = await fetch();
  t.equal(response.status, 401);
  t.equal(await text(response), "who?");
  t.equal((await fetch({ origin: makeOrigin("https", "bare.test", server.port) })).status, 401);
});

t.test("an exchange that fails leaves no connection busy", async (t) => {
  const { fetch, server } = await start(
    t,
    { "registry.test": guarded("Bearer realm=r", "never") },
    {
      beforehand: async () => ({ authorization: "Basic ours", injected: true }),
      answer: () => Promise.reject(new Error("token service")),
    },
  );
  await t.rejects(fetch(), { message: "token service" });
  await server.quiet();
});

t.test("the connection of an answer that is passed over is kept, unless that would cost more", async (t) => {
  const big = (_message: IncomingMessage, response: ServerResponse) =>
    void response.writeHead(302, { location: "/done" }).end(Buffer.alloc(1024 * 1024));
  const { fetch, server } = await start(t, {
    "registry.test": (message, response) => (message.url === "/done" ? ok : to("/done"))(message, response),
    "big.test": (message, response) => (message.url === "/done" ? ok : big)(message, response),
  });
  t.equal(await text(await fetch()), "ok");
  t.equal(await text(await fetch()), "ok");
  t.ok(server.accepted() <= 2);
  const before = server.accepted();
  t.equal(await text(await fetch({ origin: makeOrigin("https", "big.test", server.port) })), "ok");
  t.equal(server.accepted(), before + 2);
});

t.test("every hop is observed, without the query", async (t) => {
  const { fetch, hops, port } = await start(t, {
    "registry.test": to("https://cdn.test:PORT/blob?signature=hidden"),
    "cdn.test": ok,
  });
  await fetch({ authorization: "Bearer x" });
  t.match(hops, [
    {
      method: "GET",
      origin: { name: `registry.test:${port}` },
      path: "/start",
      status: 307,
      address: `127.0.0.1:${port}`,
    },
    { method: "GET", origin: { name: `cdn.test:${port}` }, path: "/blob", status: 200 },
  ]);
  t.equal(hops[0]?.requestHeaders["authorization"], "Bearer x");
  t.equal(hops[1]?.requestHeaders["authorization"], undefined);
  t.ok((hops[0]?.ms ?? -1) >= 0);
});
