import fc from "fast-check";
import t from "tap";
import { isRepositoryName, isTag, parseRegistryRequest } from "../../../src/core/request.ts";

const digest = `sha256:${"a1".repeat(32)}`;
const long = `sha512:${"b2".repeat(64)}`;

t.test("every endpoint is known by its path", (t) => {
  const table: [string, object][] = [
    ["/v2/", { kind: "ping" }],
    ["/v2", { kind: "ping" }],
    ["/v2/?x=/v2/a/manifests/b", { kind: "ping" }],
    ["/v2/_catalog", { kind: "catalog" }],
    ["/v2/_catalog?n=5&last=a", { kind: "catalog" }],
    ["/v2/library/app/manifests/1.2.3", { kind: "manifest", repository: "library/app", tag: "1.2.3" }],
    ["/v2/app/manifests/_x", { kind: "manifest", repository: "app", tag: "_x" }],
    [`/v2/app/manifests/${digest}`, { kind: "manifest", repository: "app", digest }],
    [`/v2/app/manifests/${long}`, { kind: "manifest", repository: "app", digest: long }],
    [`/v2/a/b/c/d/e/f/blobs/${digest}`, { kind: "blob", repository: "a/b/c/d/e/f", digest }],
    [`/v2/a/blobs/${long}?ns=docker.io`, { kind: "blob", repository: "a", digest: long }],
    ["/v2/a/tags/list?n=1", { kind: "tags", repository: "a" }],
    [`/v2/a/referrers/${digest}?artifactType=x`, { kind: "referrers", repository: "a", digest }],
    ["/v2/a/blobs/uploads/", { kind: "upload", repository: "a", session: undefined }],
    ["/v2/a/blobs/uploads", { kind: "upload", repository: "a", session: undefined }],
    [`/v2/a/blobs/uploads/?digest=${digest}`, { kind: "upload", repository: "a", session: undefined }],
    ["/v2/a/b/blobs/uploads/0f-1.x=_?_state=y", { kind: "upload", repository: "a/b", session: "0f-1.x=_" }],
    ["/token?service=x&scope=repository:a:pull", { kind: "token" }],
    ["/jwt/auth", { kind: "token" }],
    ["/service/token", { kind: "token" }],
    ["/auth/token", { kind: "token" }],
    ["/oauth2/token", { kind: "token" }],
    ["/v2/token", { kind: "token" }],
    ["/v2/auth?scope=x", { kind: "token" }],
    ["/v1", { kind: "v1" }],
    ["/v1/_ping", { kind: "v1" }],
    ["/", { kind: "other" }],
    ["", { kind: "other" }],
    ["*", { kind: "other" }],
    ["/v2x/a/manifests/b", { kind: "other" }],
    ["/V2/", { kind: "other" }],
    ["//v2/", { kind: "other" }],
    ["/v2/a/unknown/b", { kind: "extension" }],
    ["/v2/_oci/ext/discover", { kind: "extension" }],
    ["/v2/a/manifests/", { kind: "extension" }],
    ["/v2/a/blobs/uploads/x/y", { kind: "extension" }],
  ];
  for (const [target, expected] of table) t.strictSame(parseRegistryRequest(target), expected, target);
  t.end();
});

t.test("a repository may bear the names of the endpoints", (t) => {
  const table: [string, object][] = [
    [`/v2/blobs/manifests/${digest}`, { kind: "manifest", repository: "blobs", digest }],
    ["/v2/manifests/manifests/latest", { kind: "manifest", repository: "manifests", tag: "latest" }],
    [`/v2/a/manifests/x/blobs/${digest}`, { kind: "blob", repository: "a/manifests/x", digest }],
    [`/v2/a/blobs/uploads/blobs/${digest}`, { kind: "blob", repository: "a/blobs/uploads", digest }],
    ["/v2/a/blobs/uploads/manifests/v1", { kind: "manifest", repository: "a/blobs/uploads", tag: "v1" }],
    ["/v2/a/blobs/uploads/blobs/uploads/s1", { kind: "upload", repository: "a/blobs/uploads", session: "s1" }],
    ["/v2/a/blobs/uploads/tags/list", { kind: "tags", repository: "a/blobs/uploads" }],
    ["/v2/tags/list/tags/list", { kind: "tags", repository: "tags/list" }],
    ["/v2/tags/list/manifests/v1", { kind: "manifest", repository: "tags/list", tag: "v1" }],
    ["/v2/referrers/manifests/referrers", { kind: "manifest", repository: "referrers", tag: "referrers" }],
    ["/v2/v2/manifests/v2", { kind: "manifest", repository: "v2", tag: "v2" }],
  ];
  for (const [target, expected] of table) t.strictSame(parseRegistryRequest(target), expected, target);
  t.end();
});

t.test("percent-encoding is taken off once", (t) => {
  const app = { kind: "manifest", repository: "library/app", tag: "v1" };
  t.strictSame(parseRegistryRequest("/v2/library%2Fapp/manifests/v1"), app);
  t.strictSame(parseRegistryRequest("/v2/library%2fapp%2Fmanifests%2Fv1"), app);
  t.strictSame(parseRegistryRequest("/%76%32/library/app/manifests/%761"), app);
  const blob = parseRegistryRequest(`/v2/a/blobs/${digest.replace(":", "%3A")}`);
  t.strictSame(blob, { kind: "blob", repository: "a", digest });
  t.match(parseRegistryRequest("/v2/library%252Fapp/manifests/v1"), { kind: "invalid", code: "NAME_INVALID" });
  t.match(parseRegistryRequest("/v2/a/manifests/v%2531"), { kind: "invalid", code: "MANIFEST_INVALID" });
  t.match(parseRegistryRequest("/v2/a/manifests/v1%3Fns=x"), { kind: "invalid", code: "MANIFEST_INVALID" });
  t.end();
});

t.test("a bad name, tag or digest is refused with the code of the specification", (t) => {
  const name = (repository: string): [string, string] => [`/v2/${repository}/manifests/v1`, "NAME_INVALID"];
  const table: [string, string][] = [
    ...["..", "a/..", "../a", "a/../b", ".", "a/./b", "%2e%2e", "a/%2E%2e/b", "%252e%252e"].map(name),
    ...["a%00b", "%00", "a%0ab", "a%7f", "a\\b", "a%5Cb", "a%", "a%zz", "a%ff", "%c0%ae%c0%ae"].map(name),
    ...["A", "Library/app", "-a", "a-", "a..b", "a___b", "_a", "a//b", "/a", "a/", "a b", "ä", "a:b", "a@b"].map(name),
    name("a".repeat(256)),
    name("a".repeat(300)),
    name("ab/".repeat(100).slice(0, -1)),
    ["/v2/../etc/passwd", "NAME_INVALID"],
    ["/v2/%2e%2e/%2e%2e/etc/passwd", "NAME_INVALID"],
    ["/v2/a/blobs/..", "NAME_INVALID"],
    ["/v2/./x", "NAME_INVALID"],
    ["/v2/%7f", "NAME_INVALID"],
    ["/v2/A/blobs/uploads/", "NAME_INVALID"],
    ["/v2/A/tags/list", "NAME_INVALID"],
    [`/v2/a/manifests/${"t".repeat(129)}`, "MANIFEST_INVALID"],
    ["/v2/a/manifests/-v1", "MANIFEST_INVALID"],
    ["/v2/a/manifests/v1+x", "MANIFEST_INVALID"],
    [`/v2/a/manifests/${digest}0`, "DIGEST_INVALID"],
    ["/v2/a/manifests/sha256:", "DIGEST_INVALID"],
    [`/v2/a/blobs/${digest.slice(0, -1)}`, "DIGEST_INVALID"],
    [`/v2/a/blobs/${digest.toUpperCase()}`, "DIGEST_INVALID"],
    [`/v2/a/blobs/sha512:${"a".repeat(64)}`, "DIGEST_INVALID"],
    [`/v2/a/blobs/md5:${"a".repeat(32)}`, "DIGEST_INVALID"],
    ["/v2/a/blobs/latest", "DIGEST_INVALID"],
    ["/v2/a/referrers/latest", "DIGEST_INVALID"],
  ];
  for (const [target, code] of table) {
    const request = parseRegistryRequest(target);
    t.match(request, { kind: "invalid", code, problem: /^[A-Z].*\.$/ }, target);
  }
  t.end();
});

t.test("names and tags as long as they may be", (t) => {
  t.ok(isRepositoryName("a".repeat(255)));
  t.notOk(isRepositoryName("a".repeat(256)));
  for (const text of ["a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b-c_d.e"]) t.ok(isRepositoryName(text), text);
  t.ok(isTag("t".repeat(128)));
  t.notOk(isTag("t".repeat(129)));
  for (const text of ["", ".a", "-a", "a/b", "a:b", "a\n"]) t.notOk(isTag(text), JSON.stringify(text));
  t.end();
});

const segment = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?$/);
const repositories = fc.array(segment, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));

t.test("whatever comes, parsing gives an answer and a name that is one", (t) => {
  const bits = fc.constantFrom(
    "/",
    "%",
    "2f",
    "..",
    "blobs",
    "manifests",
    "uploads",
    "tags/list",
    digest,
    "v2",
    "?",
    "\0",
  );
  const targets = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.webPath(),
    fc.array(fc.oneof(bits, fc.string()), { maxLength: 12 }).map((parts) => `/v2/${parts.join("")}`),
  );
  fc.assert(
    fc.property(targets, (target) => {
      const request = parseRegistryRequest(target);
      return !("repository" in request) || isRepositoryName(request.repository);
    }),
    { numRuns: 2000 },
  );
  t.end();
});

t.test("what is written by the grammar is read back, encoded or not", (t) => {
  fc.assert(
    fc.property(repositories, fc.boolean(), (repository, encoded) => {
      const name = encoded ? encodeURIComponent(repository) : repository;
      t.strictSame(parseRegistryRequest(`/v2/${name}/blobs/${digest}`), { kind: "blob", repository, digest });
      t.strictSame(parseRegistryRequest(`/v2/${name}/manifests/v1`), { kind: "manifest", repository, tag: "v1" });
      t.strictSame(parseRegistryRequest(`/v2/${name}/tags/list`), { kind: "tags", repository });
    }),
  );
  t.end();
});

t.test("a target of 64 KiB is read at once", (t) => {
  const started = process.hrtime.bigint();
  for (const bit of ["/blobs", "/manifests/a", "a-", "%2f", "/blobs/uploads", "_", "a/"]) {
    parseRegistryRequest(`/v2/${bit.repeat(65_536 / bit.length)}`);
  }
  t.ok(process.hrtime.bigint() - started < 2_000_000_000n, "no grammar backtracks without end");
  t.end();
});
