import { randomBytes } from "node:crypto";
import t from "tap";
import { ociError } from "../stage.ts";
import { digestOf } from "./client.ts";
import { hostedStage } from "./rig.ts";

/** OCI distribution 1.1, "Pushing blobs". */
const name = "team/app";
const chunk = 300_000;

t.test("a POST begins an upload: 202, a Location with a UUID, relative to this server", async (t) => {
  const { client } = await hostedStage(t);
  const { status, headers, body } = await client.request(`/v2/${name}/blobs/uploads/`, { method: "POST" });
  t.equal(status, 202);
  t.match(headers["location"], /^\/v2\/team\/app\/blobs\/uploads\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  t.match(headers, { range: "0-0", "docker-distribution-api-version": "registry/2.0", "content-length": "0" });
  t.equal(body.length, 0);
  t.not(await client.begin(name), await client.begin(name), "each its own");
});

t.test("POST then PUT: 201, a Location that the blob can be pulled at, and its digest", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(2_000_000);
  const location = await client.begin(name);
  const put = await client.request(`${location}?digest=${digestOf(bytes)}`, {
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body: bytes,
  });
  t.equal(put.status, 201);
  t.equal(put.headers["docker-content-digest"], digestOf(bytes));
  t.same((await client.request(String(put.headers["location"]))).body, bytes);
  t.equal((await client.request(location)).status, 404, "the session is over");
});

t.test("a single POST with the digest takes the whole blob", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(70_000);
  const posted = await client.request(`/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`, {
    method: "POST",
    body: bytes,
  });
  t.equal(posted.status, 201);
  t.same((await client.request(String(posted.headers["location"]))).body, bytes);
});

t.test("a blob is pushed by sha512 too, and by PATCHes before that say nothing of it", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(100_000);
  const digest = digestOf(bytes, "sha512");
  const location = await client.begin(name);
  await client.request(location, { method: "PATCH", body: bytes.subarray(0, 60_000) });
  const put = await client.request(`${location}?digest=${digest}`, { method: "PUT", body: bytes.subarray(60_000) });
  t.equal(put.status, 201);
  t.match((await client.request(`/v2/${name}/blobs/${digest}`)).body, bytes);
});

t.test("a blob may be empty", async (t) => {
  const { client } = await hostedStage(t);
  const digest = await client.pushBlob(name, Buffer.alloc(0));
  const { status, headers } = await client.request(`/v2/${name}/blobs/${digest}`);
  t.equal(status, 200);
  t.equal(headers["content-length"], "0");
});

t.test("in chunks: each is 202 with Location and Range, and a PUT with the digest of the whole ends it", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(3 * chunk - 1000);
  let location = await client.begin(name);
  for (let first = 0; first < bytes.length; first += chunk) {
    const last = Math.min(first + chunk, bytes.length) - 1;
    const { status, headers } = await client.request(location, {
      method: "PATCH",
      headers: { "content-range": `${first}-${last}`, "content-type": "application/octet-stream" },
      body: bytes.subarray(first, last + 1),
    });
    t.equal(status, 202);
    t.equal(headers["range"], `0-${last}`);
    location = String(headers["location"]);
  }
  const put = await client.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" });
  t.equal(put.status, 201);
  t.same((await client.request(String(put.headers["location"]))).body, bytes);
});

t.test("the last chunk may come with the PUT", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(2 * chunk);
  const location = await client.begin(name);
  await client.request(location, { method: "PATCH", body: bytes.subarray(0, chunk) });
  const put = await client.request(`${location}?digest=${digestOf(bytes)}`, {
    method: "PUT",
    headers: { "content-range": `${chunk}-${2 * chunk - 1}` },
    body: bytes.subarray(chunk),
  });
  t.equal(put.status, 201);
  t.same((await client.request(String(put.headers["location"]))).body, bytes);
});

t.test("a body of unknown length is taken as it comes, as docker sends it", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(2_500_000);
  const location = await client.begin(name);
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += 33_333) yield bytes.subarray(at, at + 33_333);
  }
  const patch = await client.request(location, { method: "PATCH", body: pieces() });
  t.equal(patch.status, 202);
  t.equal(patch.headers["range"], `0-${bytes.length - 1}`);
  t.equal((await client.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" })).status, 201);
});

t.test("a chunk out of order is 416, with what is there, and the upload goes on from there", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(2 * chunk);
  const location = await client.begin(name);
  const patch = (first: number, last: number) =>
    client.request(location, {
      method: "PATCH",
      headers: { "content-range": `${first}-${last}` },
      body: bytes.subarray(first, last + 1),
    });
  t.equal((await patch(1, chunk)).status, 416, "the first begins at 0");
  t.equal((await patch(0, chunk - 1)).status, 202);
  for (const first of [0, chunk - 1, chunk + 1]) {
    const refused = await patch(first, 2 * chunk - 1);
    t.equal(refused.status, 416);
    t.equal(refused.headers["range"], `0-${chunk - 1}`);
    t.equal(refused.headers["location"], location);
    t.equal(ociError(refused).code, "BLOB_UPLOAD_INVALID");
  }
  t.equal((await patch(chunk, 2 * chunk - 1)).status, 202);
  t.equal((await client.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" })).status, 201);
});

t.test("a Content-Range that is none, or that is not its body's, is refused", async (t) => {
  const { client } = await hostedStage(t);
  const location = await client.begin(name);
  const patch = (range: string, length: number) =>
    client.request(location, { method: "PATCH", headers: { "content-range": range }, body: Buffer.alloc(length) });
  for (const range of ["abc", "0-", "-5", "5-0"]) t.equal((await patch(range, 6)).status, 416, range);
  const wrong = await patch("0-9", 11);
  t.equal(wrong.status, 400);
  t.equal(ociError(wrong).code, "SIZE_INVALID");
  async function* long(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(20);
  }
  const longer = await client.request(location, {
    method: "PATCH",
    headers: { "content-range": "0-9" },
    body: long(),
  });
  t.equal(ociError(longer).code, "SIZE_INVALID");
});

t.test("the status of an upload: 204, Location and Range", async (t) => {
  const { client } = await hostedStage(t);
  const location = await client.begin(name);
  await client.request(location, { method: "PATCH", body: Buffer.alloc(1234) });
  const { status, headers } = await client.request(location);
  t.equal(status, 204);
  t.match(headers, { location, range: "0-1233" });
});

t.test("an upload can be given up, and is nothing in another repository", async (t) => {
  const { client } = await hostedStage(t);
  const location = await client.begin(name);
  const elsewhere = location.replace(name, "team/other");
  for (const method of ["GET", "PATCH", "DELETE"]) {
    t.equal(ociError(await client.request(elsewhere, { method, body: Buffer.alloc(0) })).code, "BLOB_UPLOAD_UNKNOWN");
  }
  t.equal((await client.request(location, { method: "DELETE" })).status, 204);
  for (const method of ["GET", "PATCH", "DELETE"]) {
    const { status } = await client.request(location, { method, body: Buffer.alloc(1) });
    t.equal(status, 404, method);
  }
  const put = await client.request(`${location}?digest=${digestOf(Buffer.alloc(0))}`, { method: "PUT" });
  t.equal(ociError(put).code, "BLOB_UPLOAD_UNKNOWN");
});

t.test("an upload does not end without a digest", async (t) => {
  const { client } = await hostedStage(t);
  const location = await client.begin(name);
  for (const query of ["", "?digest=", "?digest=sha256:abc", "?digest=md5:0123"]) {
    const put = await client.request(`${location}${query}`, { method: "PUT" });
    t.equal(put.status, 400, query);
    t.equal(ociError(put).code, "DIGEST_INVALID");
  }
  t.equal((await client.request(location)).status, 204, "it is still there");
});
