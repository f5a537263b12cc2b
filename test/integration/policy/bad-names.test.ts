import t from "tap";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { connectThrough, RawSocket } from "../../fixtures/raw-socket.ts";
import { finalLines, hub, ociError, stage } from "../stage.ts";

const digest = `sha256:${"a".repeat(64)}`;
const long = "n".repeat(300);

const cases: [target: string, code: string][] = [
  [`/v2/library/../../etc/blobs/${digest}`, "NAME_INVALID"],
  ["/v2/../v2/app/manifests/latest", "NAME_INVALID"],
  ["/v2/library/./app/manifests/latest", "NAME_INVALID"],
  [`/v2/library/%2e%2e/app/blobs/${digest}`, "NAME_INVALID"],
  ["/v2/%2E%2E/%2e%2e/etc/manifests/passwd", "NAME_INVALID"],
  ["/v2/library%2f..%2fapp/manifests/latest", "NAME_INVALID"],
  ["/v2/%252e%252e/app/manifests/latest", "NAME_INVALID"],
  ["/v2/library/app%00/manifests/latest", "NAME_INVALID"],
  ["/v2/library/app%/manifests/latest", "NAME_INVALID"],
  ["/v2/library\\app/manifests/latest", "NAME_INVALID"],
  ["/v2/Library/App/manifests/latest", "NAME_INVALID"],
  ["/v2/library//app/manifests/latest", "NAME_INVALID"],
  [`/v2/${long}/manifests/latest`, "NAME_INVALID"],
  [`/v2/${long}/tags/list`, "NAME_INVALID"],
  [`/v2/library/${long}/blobs/uploads/`, "NAME_INVALID"],
  [`/v2/library/app/manifests/${"t".repeat(129)}`, "MANIFEST_INVALID"],
  ["/v2/library/app/manifests/%2e%2e", "NAME_INVALID"],
  [`/v2/library/app/blobs/${digest}a`, "DIGEST_INVALID"],
  [`/v2/library/app/blobs/${digest.slice(0, -1)}`, "DIGEST_INVALID"],
  [`/v2/library/app/blobs/${digest.toUpperCase()}`, "DIGEST_INVALID"],
  [`/v2/library/app/blobs/sha512:${"a".repeat(64)}`, "DIGEST_INVALID"],
  [`/v2/library/app/blobs/md5:${"a".repeat(32)}`, "DIGEST_INVALID"],
  ["/v2/library/app/blobs/latest", "DIGEST_INVALID"],
  ["/v2/library/app/manifests/sha256:12", "DIGEST_INVALID"],
  ["/v2/library/app/referrers/latest", "DIGEST_INVALID"],
];

t.test("a name that no registry has is refused here, logged once, and reaches no registry", async (t) => {
  const { registry, proxy, client } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  for (const [target, code] of cases) {
    const refused = await client.request(target);
    t.equal(refused.status, 400, target.slice(0, 80));
    t.equal(ociError(refused).code, code);
    t.equal(refused.headers["content-type"], "application/json");
  }
  t.equal((await client.request("/v2/")).status, 200, "the connection goes on");
  t.same(
    registry.requests.map(({ path }) => path),
    ["/v2/"],
  );
  const lines = await finalLines(proxy);
  t.same(
    lines.map(({ status, error }) => [status, error]),
    [...cases.map(([, code]) => [400, code]), [200, undefined]],
  );
});

t.test("so are they when something is written to them", async (t) => {
  const { registry, client } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "HEAD"]) {
    const refused = await client.request("/v2/library/%2e%2e/app/manifests/latest", { method });
    t.equal(refused.status, 400, method);
  }
  t.equal(registry.count(), 0);
});

t.test("a NUL or a line break that is not even encoded ends the connection", async (t) => {
  const { registry, proxy, client } = await stage(t);
  for (const character of ["\0", "\u0001", "\u007f"]) {
    const caPem = proxy.caPem;
    const socket = new RawSocket(await connectThrough({ proxyPort: proxy.port, host: hub, caPem }));
    socket.write(`GET /v2/a${character}b/manifests/latest HTTP/1.1\r\nHost: ${hub}\r\n\r\n`);
    t.match(await socket.rest(), /^HTTP\/1\.1 400 /);
    socket.destroy();
  }
  t.equal(registry.count(), 0);
  t.equal((await client.request("/v2/")).status, 200);
});

t.test("a Range of nonsense is no range, cold and warm", async (t) => {
  const { registry, client } = await stage(t);
  const ranges = [
    "bytes=abc",
    "bytes=-",
    "bytes=9-1",
    "bytes",
    "=",
    "items=0-5",
    "bytes=0-1,,",
    `bytes=0-${"9".repeat(40)}`,
  ];
  for (const range of ranges) {
    const bytes = uniqueBytes(1000);
    const blob = registry.blob("library/app", bytes);
    for (const round of ["cold", "warm"]) {
      const answer = await client.request(`/v2/library/app/blobs/${blob.digest}`, { headers: { range } });
      t.equal(answer.status, 200, `${range}, ${round}`);
      t.ok(answer.body.equals(bytes));
    }
  }
  t.equal(registry.count({ method: "GET" }), ranges.length);
  t.notOk(
    registry.requests.some(({ headers }) => headers["range"] !== undefined),
    "none was passed on",
  );
});

t.test("what a registry does not have or do is refused with a sentence", async (t) => {
  const { registry, client } = await stage(t, { env: { ALLOW_PUSH: "true" } });
  for (const path of ["/v1", "/v1/", "/v1/_ping", "/v1/repositories/library/app/images"]) {
    const refused = await client.request(path);
    t.equal(refused.status, 405, path);
    t.match(ociError(refused).message, /Version 1 .* is not served/);
  }
  for (const method of ["TRACE", "PROPFIND", "LOCK", "SEARCH"]) {
    const refused = await client.request("/v2/library/app/manifests/latest", { method });
    t.equal(refused.status, 405, method);
    t.match(ociError(refused), { code: "METHOD_NOT_ALLOWED", message: `no method ${method}` });
    t.equal(refused.headers["allow"], "GET, HEAD");
  }
  t.equal(registry.count(), 0);
});
