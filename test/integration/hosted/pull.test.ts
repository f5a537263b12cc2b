import { randomBytes } from "node:crypto";
import t from "tap";
import { ociError } from "../stage.ts";
import { digestOf, imageManifest, indexType, manifestType } from "./client.ts";
import { hostedStage } from "./rig.ts";

/** OCI distribution 1.1, "Pull", and RFC 9110 for ranges and conditions. */
const name = "team/app";
const unknown = `sha256:${"0".repeat(64)}`;

t.test("GET /v2/ says that this is a registry", async (t) => {
  const { client } = await hostedStage(t);
  for (const path of ["/v2/", "/v2"]) {
    const { status, headers } = await client.request(path);
    t.equal(status, 200);
    t.equal(headers["docker-distribution-api-version"], "registry/2.0");
  }
});

t.test(
  "a manifest by tag and by digest: 200, the exact bytes, its media type without parameters, its digest",
  async (t) => {
    const { client } = await hostedStage(t);
    const image = await client.pushImage(name, "1.0");
    for (const reference of ["1.0", image.digest]) {
      const { status, headers, body } = await client.request(`/v2/${name}/manifests/${reference}`, {
        headers: { accept: manifestType },
      });
      t.equal(status, 200);
      t.same(body, image.bytes);
      t.match(headers, { "content-type": manifestType, "docker-content-digest": image.digest });
      t.equal(headers["content-length"], String(image.bytes.length));
    }
  },
);

t.test("HEAD of a manifest and of a blob: 200, digest and length, no body", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "1.0");
  const blob = image.blobs[1] ?? "";
  const cases = [
    [`/v2/${name}/manifests/1.0`, image.digest, image.bytes.length],
    [`/v2/${name}/manifests/${image.digest}`, image.digest, image.bytes.length],
    [`/v2/${name}/blobs/${blob}`, blob, 1000],
  ] as const;
  for (const [path, digest, length] of cases) {
    const { status, headers, body } = await client.request(path, { method: "HEAD" });
    t.equal(status, 200);
    t.equal(headers["docker-content-digest"], digest);
    t.equal(headers["content-length"], String(length));
    t.equal(body.length, 0);
  }
});

t.test("what is not there is 404 with the specification's code, by GET and HEAD", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "1.0");
  const cases = [
    [`/v2/${name}/manifests/2.0`, "MANIFEST_UNKNOWN"],
    [`/v2/${name}/manifests/${unknown}`, "MANIFEST_UNKNOWN"],
    [`/v2/${name}/manifests/.not-a-tag`, "MANIFEST_UNKNOWN"],
    [`/v2/${name}/blobs/${unknown}`, "BLOB_UNKNOWN"],
    [`/v2/nobody/manifests/1.0`, "NAME_UNKNOWN"],
    [`/v2/nobody/blobs/${image.blobs[0]}`, "BLOB_UNKNOWN"],
    [`/v2/nobody/tags/list`, "NAME_UNKNOWN"],
    [`/v2/${name}/blobs/uploads/5d4c36ae-0c40-4e8c-9a44-bd0ed5e4b0a1`, "BLOB_UPLOAD_UNKNOWN"],
  ] as const;
  for (const [path, code] of cases) {
    const got = await client.request(path);
    t.equal(got.status, 404, path);
    t.equal(ociError(got).code, code, path);
    t.equal((await client.request(path, { method: "HEAD" })).status, 404);
  }
});

t.test("a blob is readable where it was pushed, not in another repository that merely knows its digest", async (t) => {
  const { client } = await hostedStage(t);
  const digest = await client.pushBlob(name, randomBytes(10));
  await client.pushImage("team/other", "1");
  t.equal((await client.request(`/v2/team/other/blobs/${digest}`)).status, 404);
  t.equal((await client.request(`/v2/${name}/blobs/${digest}`)).status, 200);
});

t.test("ranges of a blob: 206 with Content-Range, 416 behind its end, the whole where a range is none", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(1_200_000);
  const path = `/v2/${name}/blobs/${await client.pushBlob(name, bytes)}`;
  t.equal((await client.request(path)).headers["accept-ranges"], "bytes");
  for (const [range, first, last] of [
    ["bytes=0-0", 0, 0],
    ["bytes=1000-1999", 1000, 1999],
    ["bytes=600000-", 600_000, 1_199_999],
    ["bytes=-5", 1_199_995, 1_199_999],
    ["bytes=1199999-9999999", 1_199_999, 1_199_999],
  ] as const) {
    const { status, headers, body } = await client.request(path, { headers: { range } });
    t.equal(status, 206, range);
    t.equal(headers["content-range"], `bytes ${first}-${last}/1200000`);
    t.ok(body.equals(bytes.subarray(first, last + 1)), range);
  }
  const behind = await client.request(path, { headers: { range: "bytes=1200000-" } });
  t.equal(behind.status, 416);
  t.equal(behind.headers["content-range"], "bytes */1200000");
  t.equal((await client.request(path, { headers: { range: "lines=1-2" } })).status, 200);
});

t.test("conditions: If-None-Match is 304, If-Range with another validator sends the whole", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "1.0");
  const blob = `/v2/${name}/blobs/${image.blobs[1]}`;
  for (const [path, digest] of [
    [blob, image.blobs[1]],
    [`/v2/${name}/manifests/1.0`, image.digest],
  ] as const) {
    const { headers } = await client.request(path);
    t.equal(headers["etag"], `"${digest}"`);
    const same = await client.request(path, { headers: { "if-none-match": `"${digest}"` } });
    t.equal(same.status, 304);
    t.equal(same.body.length, 0);
    t.equal((await client.request(path, { headers: { "if-none-match": '"other"' } })).status, 200);
  }
  const headers = { range: "bytes=0-9", "if-range": `"${image.blobs[1]}"` };
  t.equal((await client.request(blob, { headers })).status, 206);
  t.equal((await client.request(blob, { headers: { ...headers, "if-range": '"other"' } })).status, 200);
});

t.test("an index is served with its own type, and what it names by digest", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "amd64");
  const index = {
    schemaVersion: 2,
    mediaType: indexType,
    manifests: [{ mediaType: manifestType, digest: image.digest, size: image.bytes.length }],
  };
  t.equal((await client.putManifest(name, "multi", index, indexType)).status, 201);
  const got = await client.request(`/v2/${name}/manifests/multi`);
  t.equal(got.headers["content-type"], indexType);
  t.same(JSON.parse(got.body.toString()), index);
});

t.test("what was pushed is there after a restart", async (t) => {
  const first = await hostedStage(t);
  const image = await first.client.pushImage(name, "1.0");
  await first.proxy.stop();
  const { client } = await hostedStage(t, {}, { storage: first.storage });
  t.same((await client.request(`/v2/${name}/manifests/1.0`)).body, image.bytes);
  const blob = await client.request(`/v2/${name}/blobs/${image.blobs[1]}`);
  t.equal(digestOf(blob.body), image.blobs[1]);
});

t.test("many pull one blob at once, each of them all of it", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(3_000_000);
  const digest = await client.pushBlob(name, bytes);
  const pulls = await Promise.all(Array.from({ length: 12 }, () => client.request(`/v2/${name}/blobs/${digest}`)));
  t.ok(pulls.every(({ body }) => body.equals(bytes)));
});

t.test("methods that an endpoint does not have are 405, and Allow says which it has", async (t) => {
  const { client } = await hostedStage(t);
  const cases = [
    ["POST", "/v2/", "GET, HEAD"],
    ["PUT", "/v2/_catalog", "GET, HEAD"],
    ["POST", `/v2/${name}/tags/list`, "GET, HEAD"],
    ["PUT", `/v2/${name}/blobs/${unknown}`, "GET, HEAD, DELETE"],
    ["PATCH", `/v2/${name}/manifests/1`, "GET, HEAD, PUT, DELETE"],
    ["GET", `/v2/${name}/blobs/uploads/`, "POST"],
  ] as const;
  for (const [method, path, allow] of cases) {
    const answer = await client.request(path, { method });
    t.equal(answer.status, 405, `${method} ${path}`);
    t.equal(answer.headers["allow"], allow);
    t.equal(ociError(answer).code, "UNSUPPORTED");
  }
});

t.test("without REGISTRY_STORAGE nothing is pushed here", async (t) => {
  const { client } = await hostedStage(t, { REGISTRY_STORAGE: "" });
  const { status } = await client.request(`/v2/${name}/blobs/uploads/`, { method: "POST" });
  t.ok(status >= 400, String(status));
  t.equal((await client.putManifest(name, "1", imageManifest(Buffer.from("a"), []))).status, status);
});
