import { Readable } from "node:stream";
import t from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { createAnonymousFetch } from "../../../src/serve/anonymous-fetch.ts";
import { withoutOwnTokens } from "../../../src/serve/offline.ts";
import type { UpstreamRequest, UpstreamResponse } from "../../../src/upstream/types.ts";

const registry = makeOrigin("https", "reg.test");

interface Says {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly from?: UpstreamResponse["from"];
}

/** A registry that wants `Bearer t1`, unless told otherwise, and its token service. */
function stage(challenge: string, says: (request: UpstreamRequest) => Says | undefined = () => undefined) {
  const seen: UpstreamRequest[] = [];
  const fetch = async (request: UpstreamRequest): Promise<UpstreamResponse> => {
    seen.push(request);
    const said = says(request) ?? answerTo(request, challenge);
    const { status, headers = {}, body = "", from = request.origin } = said;
    const source = Readable.from([Buffer.from(body)]);
    return { status, headers, rawHeaders: [], body: source, from, address: undefined, attempts: 1, injected: false };
  };
  const clock = { now: () => 1_000_000 };
  const anonymously = createAnonymousFetch({ fetch, clock, isPlain: (origin) => origin.scheme === "http" });
  const ask = (more: Partial<UpstreamRequest> = {}) =>
    anonymously({
      origin: registry,
      method: "HEAD",
      path: "/v2/app/manifests/1",
      headers: { accept: "a", cookie: "session", "x-api-key": "secret" },
      authorization: "Basic secret",
      scope: "repository:app:pull",
      redirects: "follow",
      signal: new AbortController().signal,
      ...more,
    });
  return { ask, seen, fetch, anonymously };
}

function answerTo({ origin, authorization }: UpstreamRequest, challenge: string): Says {
  if (origin.host === "auth.test") return { status: 200, body: '{"token":"t1","expires_in":300}' };
  return authorization === "Bearer t1" ? { status: 200 } : { status: 401, headers: { "www-authenticate": challenge } };
}

t.test("as nobody, with a token that anybody gets", async (t) => {
  const { ask, seen } = stage('Bearer realm="https://auth.test/token",service="reg"');
  t.match(await ask(), { status: 200, attempts: 2 });
  t.match(
    seen.map(({ origin, path, authorization, inject }) => [origin.host, path, authorization, inject]),
    [
      ["reg.test", "/v2/app/manifests/1", undefined, false],
      ["auth.test", "/token?service=reg&scope=repository%3Aapp%3Apull", undefined, false],
      ["reg.test", "/v2/app/manifests/1", "Bearer t1", false],
    ],
  );
  t.notMatch(JSON.stringify(seen.map(({ headers }) => headers)), /secret|session/);
  await ask();
  t.equal(seen.length, 5, "the token is kept");
});

t.test("a 401 that cannot be answered is the answer", async (t) => {
  const cases: [what: string, challenge: string, says?: (request: UpstreamRequest) => Says | undefined][] = [
    ["no bearer", 'Basic realm="x"'],
    ["no realm", 'Bearer service="x"'],
    ["no url", 'Bearer realm="token"'],
    ["plain http", 'Bearer realm="http://auth.test/token"'],
    [
      "refused",
      'Bearer realm="https://auth.test/token"',
      ({ origin }) => (origin.host === "auth.test" ? { status: 403 } : undefined),
    ],
    [
      "another host's",
      "",
      ({ origin }) =>
        origin.host === "auth.test"
          ? undefined
          : {
              status: 401,
              headers: { "www-authenticate": 'Bearer realm="https://auth.test/token"' },
              from: makeOrigin("https", "elsewhere.test"),
            },
    ],
  ];
  for (const [what, challenge, says] of cases) {
    const { ask, seen } = stage(challenge, says);
    t.equal((await ask()).status, 401, what);
    t.equal(seen.filter(({ origin }) => origin.host === "reg.test").length, 1, what);
  }
  const { ask } = stage('Bearer realm="http://auth.test/token"');
  t.equal(
    (await ask({ origin: makeOrigin("http", "reg.test") })).status,
    200,
    "a plain registry's service may be plain",
  );
});

t.test("a 401 that a broken token service keeps from being answered is no refusal", async (t) => {
  const { ask, seen } = stage('Bearer realm="https://auth.test/token"', ({ origin }) =>
    origin.host === "auth.test" ? { status: 500 } : undefined,
  );
  await t.rejects(ask(), { code: "UPSTREAM_UNREACHABLE" });
  t.equal(seen.filter(({ origin }) => origin.host === "reg.test").length, 1);
});

t.test("a token of ours goes to nobody, any other Authorization as it is", async (t) => {
  const { fetch, anonymously, seen } = stage("");
  const guarded = withoutOwnTokens(fetch, anonymously, (authorization) => authorization === "Bearer ours");
  const request = {
    origin: registry,
    method: "GET",
    path: "/",
    headers: {},
    scope: undefined,
    redirects: "follow" as const,
    signal: new AbortController().signal,
  };
  for (const authorization of ["Bearer ours", "Bearer theirs", undefined]) await guarded({ ...request, authorization });
  t.same(
    seen.map(({ authorization, inject }) => [authorization, inject]),
    [
      [undefined, false],
      ["Bearer theirs", undefined],
      [undefined, undefined],
    ],
  );
});
