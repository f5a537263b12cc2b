import { Readable } from "node:stream";
import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { EntrepotError } from "../../../src/core/errors.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { parseRegistryRequest } from "../../../src/core/request.ts";
import type { PullRequest } from "../../../src/policy/decide.ts";
import { isOutage } from "../../../src/serve/outage.ts";
import { closedBy, isWhatIsHeld, type Stated, statedBy } from "../../../src/serve/stated.ts";
import type { UpstreamResponse } from "../../../src/upstream/types.ts";

const digest = digestOf(Buffer.from("a"));
const other = digestOf(Buffer.from("b"));
const blob = parseRegistryRequest(`/v2/app/blobs/${digest}`) as PullRequest;
const tag = parseRegistryRequest("/v2/app/manifests/1") as PullRequest;

function response(status: number, body = "", headers: Record<string, string> = {}): UpstreamResponse {
  return {
    status,
    headers,
    rawHeaders: [],
    body: Readable.from([Buffer.from(body)]),
    from: makeOrigin("https", "reg.test"),
    address: undefined,
    attempts: 1,
    injected: false,
  };
}

t.test("what an upstream states", async (t) => {
  const all = { "content-length": "5", "content-type": "x/y", "docker-content-digest": digest };
  const cases: [status: number, headers: Record<string, string>, expected: Stated][] = [
    [200, all, { size: 5, mediaType: "x/y", digest }],
    [200, {}, { size: undefined, mediaType: "application/octet-stream", digest: undefined }],
    [206, { ...all, "content-length": "1", "content-range": "bytes 0-0/77" }, { size: 77, mediaType: "x/y", digest }],
    [206, { ...all, "content-range": "bytes 0-0/*" }, { size: undefined, mediaType: "x/y", digest }],
    [
      200,
      { "docker-content-digest": "nonsense" },
      { size: undefined, mediaType: "application/octet-stream", digest: undefined },
    ],
  ];
  for (const [status, headers, expected] of cases) t.same(statedBy({ status, headers }), expected);
});

t.test("whether it is what is held", async (t) => {
  const cases: [stated: Partial<Stated>, request: PullRequest, size: number | undefined, expected: boolean][] = [
    [{ size: 5, digest }, blob, 5, true],
    [{ size: 5 }, blob, undefined, true],
    [{}, blob, 5, true],
    [{ size: 6 }, blob, 5, false],
    [{ size: 5, digest: other }, blob, 5, false],
    [{ size: 5, digest: other }, tag, 5, true],
  ];
  for (const [stated, request, size, expected] of cases) {
    const whole = { size: undefined, mediaType: "x", digest: undefined, ...stated };
    t.equal(isWhatIsHeld(whole, request, size), expected, JSON.stringify(stated));
  }
});

t.test("a refusal without a body gets one, one with a body keeps it", async (t) => {
  const cases: [status: number, request: PullRequest, code: string][] = [
    [401, blob, "UNAUTHORIZED"],
    [403, blob, "DENIED"],
    [404, blob, "BLOB_UNKNOWN"],
    [404, tag, "MANIFEST_UNKNOWN"],
    [429, tag, "TOOMANYREQUESTS"],
  ];
  for (const [status, request, code] of cases) {
    const refusal = await closedBy(response(status, "", { "www-authenticate": "Basic" }), request);
    t.equal(refusal.status, status);
    t.match(JSON.parse(refusal.body.toString()), { errors: [{ code }] });
    t.match(refusal.headers, { "content-type": "application/json", "www-authenticate": "Basic" });
  }
  t.equal((await closedBy(response(404, "theirs"), blob)).body.toString(), "theirs");
  t.equal((await closedBy(response(500), blob)).body.length, 0);
});

t.test("what is an outage", async (t) => {
  for (const status of [429, 500, 503]) t.ok(isOutage(await closedBy(response(status), blob)), `${status}`);
  for (const status of [400, 401, 403, 404]) t.notOk(isOutage(await closedBy(response(status), blob)), `${status}`);
  for (const code of ["UPSTREAM_TIMEOUT", "UPSTREAM_UNRESOLVED", "TOOMANYREQUESTS"] as const) {
    t.ok(isOutage(new EntrepotError(code, "x")), code);
  }
  for (const code of ["UPSTREAM_WRONG_DIGEST", "CANCELLED", "CACHE_IO", "DENIED"] as const) {
    t.notOk(isOutage(new EntrepotError(code, "x")), code);
  }
  t.notOk(isOutage(new Error("x")));
});
