import { randomBytes } from "node:crypto";
import t from "tap";
import { ociError } from "../stage.ts";
import { descriptor, digestOf, emptyType, imageManifest, indexType, manifestType } from "./client.ts";
import { hostedStage } from "./rig.ts";

/** OCI distribution 1.1, "Pushing Manifests". */
const name = "team/app";

t.test("by tag: 201, a Location that it can be pulled at, and its digest", async (t) => {
  const { client } = await hostedStage(t);
  const config = randomBytes(10);
  await client.pushBlob(name, config);
  const bytes = Buffer.from(JSON.stringify(imageManifest(config, []), null, 4));
  const put = await client.putManifest(name, "v1", bytes);
  t.equal(put.status, 201);
  t.match(put.headers, { location: `/v2/${name}/manifests/v1`, "docker-content-digest": digestOf(bytes) });
  t.same((await client.request(String(put.headers["location"]))).body, bytes, "byte for byte");
});

t.test("by digest, sha256 or sha512: no tag comes of it", async (t) => {
  const { client } = await hostedStage(t);
  const config = randomBytes(10);
  await client.pushBlob(name, config);
  const bytes = Buffer.from(JSON.stringify(imageManifest(config, [])));
  for (const algorithm of ["sha256", "sha512"]) {
    const digest = digestOf(bytes, algorithm);
    const put = await client.putManifest(name, digest, bytes);
    t.equal(put.status, 201);
    t.equal(put.headers["docker-content-digest"], digest);
    t.same((await client.request(`/v2/${name}/manifests/${digest}`)).body, bytes);
  }
  t.same(JSON.parse((await client.request(`/v2/${name}/tags/list`)).body.toString()), { name, tags: [] });
});

t.test("a tag is moved by pushing another manifest under it; the first one stays by its digest", async (t) => {
  const { client } = await hostedStage(t);
  const [first, second] = [await client.pushImage(name, "latest"), await client.pushImage(name, "latest")];
  const { headers } = await client.request(`/v2/${name}/manifests/latest`, { method: "HEAD" });
  t.equal(headers["docker-content-digest"], second.digest);
  t.equal((await client.request(`/v2/${name}/manifests/${first.digest}`)).status, 200);
});

t.test("under a digest that is not its own: 400 DIGEST_INVALID, and nothing is stored", async (t) => {
  const { client } = await hostedStage(t);
  const wrong = digestOf(Buffer.from("else"));
  const put = await client.putManifest(name, wrong, { schemaVersion: 2, mediaType: manifestType });
  t.equal(put.status, 400);
  t.equal(ociError(put).code, "DIGEST_INVALID");
  t.equal((await client.request(`/v2/${name}/manifests/${wrong}`)).status, 404);
});

t.test("what it refers to must be in its repository: 404 MANIFEST_BLOB_UNKNOWN that names it", async (t) => {
  const { client } = await hostedStage(t);
  const [config, layer, foreign] = [randomBytes(10), randomBytes(20), randomBytes(30)];
  await client.pushBlob(name, config);
  await client.pushBlob("team/other", foreign);
  for (const missing of [layer, foreign]) {
    const put = await client.putManifest(name, "v1", imageManifest(config, [missing]));
    t.equal(put.status, 404);
    t.equal(ociError(put).code, "MANIFEST_BLOB_UNKNOWN");
    t.match(put.body.toString(), digestOf(missing));
  }
  const index = { schemaVersion: 2, mediaType: indexType, manifests: [descriptor(layer, manifestType)] };
  t.equal(ociError(await client.putManifest(name, "v1", index, indexType)).code, "MANIFEST_BLOB_UNKNOWN");
  t.equal((await client.request(`/v2/${name}/manifests/v1`)).status, 404, "no tag was made");
});

t.test("layers that only their publisher hands out need not be here", async (t) => {
  const { client } = await hostedStage(t);
  const config = randomBytes(10);
  await client.pushBlob(name, config);
  const layer = {
    ...descriptor(randomBytes(5), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    urls: ["https://publisher.test/layer"],
  };
  t.equal((await client.putManifest(name, "v1", { ...imageManifest(config, []), layers: [layer] })).status, 201);
});

t.test("a list of blobs may be empty, or hold one of them twice", async (t) => {
  const { client } = await hostedStage(t);
  const empty = Buffer.from("{}");
  await client.pushBlob(name, empty);
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: "application/vnd.example.thing",
    config: descriptor(empty, emptyType),
    layers: [descriptor(empty, emptyType), descriptor(empty, emptyType)],
  };
  t.equal((await client.putManifest(name, "twice", manifest)).status, 201);
  t.equal((await client.putManifest(name, "none", { ...manifest, layers: [] })).status, 201);
});

t.test("a subject may be missing; OCI-Subject says that it was understood", async (t) => {
  const { client } = await hostedStage(t);
  const config = randomBytes(10);
  await client.pushBlob(name, config);
  const subject = descriptor(Buffer.from("not here"), manifestType);
  const put = await client.putManifest(name, "sig", { ...imageManifest(config, []), subject });
  t.equal(put.status, 201);
  t.equal(put.headers["oci-subject"], subject["digest"]);
  const plain = await client.putManifest(name, "plain", imageManifest(config, []));
  t.equal(plain.headers["oci-subject"], undefined);
});

t.test("what is no manifest is refused: 400 MANIFEST_INVALID, and nothing is stored", async (t) => {
  const { client } = await hostedStage(t);
  const good = { schemaVersion: 2, mediaType: manifestType };
  const cases: [string, string | object, string][] = [
    ["no JSON", "{", manifestType],
    ["no object", "[]", manifestType],
    ["null", "null", manifestType],
    ["empty", "", manifestType],
    ["another type than it says", good, indexType],
    ["no type at all", { schemaVersion: 2 }, ""],
    ["no media type", { schemaVersion: 2 }, "not a type"],
    ["a descriptor without a digest", { ...good, config: {} }, manifestType],
    ["a digest that is none", { ...good, config: { digest: "sha256:../../etc/passwd" } }, manifestType],
    ["layers that are no list", { ...good, layers: {} }, manifestType],
    ["a layer that is null", { ...good, layers: [null] }, manifestType],
    ["a subject without a digest", { ...good, subject: { mediaType: manifestType } }, manifestType],
    ["schema 1", { schemaVersion: 1 }, "application/vnd.docker.distribution.manifest.v1+prettyjws"],
  ];
  for (const [what, manifest, type] of cases) {
    const bytes = Buffer.from(typeof manifest === "string" ? manifest : JSON.stringify(manifest));
    const put = await client.request(`/v2/${name}/manifests/bad`, {
      method: "PUT",
      headers: type === "" ? {} : { "content-type": type },
      body: bytes,
    });
    t.equal(put.status, 400, what);
    t.equal(ociError(put).code, "MANIFEST_INVALID", what);
    t.equal((await client.request(`/v2/${name}/manifests/${digestOf(bytes)}`)).status, 404, what);
  }
  t.equal((await client.request(`/v2/${name}/tags/list`)).status, 404);
});

t.test("parameters of its Content-Type are ignored; without one its own mediaType counts", async (t) => {
  const { client } = await hostedStage(t);
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType }));
  for (const headers of [{ "content-type": `${manifestType}; charset=utf-8` }, {}]) {
    t.equal((await client.request(`/v2/${name}/manifests/v1`, { method: "PUT", headers, body })).status, 201);
    t.equal((await client.request(`/v2/${name}/manifests/v1`)).headers["content-type"], manifestType);
  }
});

t.test("4 MiB are taken; over the limit it is 413, whether its length is told before or not", async (t) => {
  const { client } = await hostedStage(t);
  const ofSize = (size: number): Buffer => {
    const frame = JSON.stringify({ schemaVersion: 2, mediaType: manifestType, annotations: { filling: "" } });
    return Buffer.from(frame.replace('""', `"${"x".repeat(size - frame.length)}"`));
  };
  const large = ofSize(4 * 1024 * 1024);
  t.equal((await client.putManifest(name, "large", large)).status, 201);
  t.ok((await client.request(`/v2/${name}/manifests/large`)).body.equals(large));
  const huge = ofSize(8 * 1024 * 1024 + 1);
  const refused = await client.putManifest(name, "huge", huge);
  t.equal(refused.status, 413);
  t.equal(ociError(refused).code, "SIZE_INVALID");
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < huge.length; at += 100_000) yield huge.subarray(at, at + 100_000);
  }
  const headers = { "content-type": manifestType };
  const streamed = await client.request(`/v2/${name}/manifests/huge`, { method: "PUT", headers, body: pieces() });
  t.equal(streamed.status, 413);
});

t.test("a tag that is none is refused", async (t) => {
  const { client } = await hostedStage(t);
  for (const tag of [".dot", "-dash", "a".repeat(129), "sp%20ace"]) {
    const put = await client.putManifest(name, tag, { schemaVersion: 2, mediaType: manifestType });
    t.equal(put.status, 400, tag);
  }
});
