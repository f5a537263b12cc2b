import { randomBytes } from "node:crypto";
import t from "tap";
import { ociError } from "../stage.ts";
import {
  descriptor,
  digestOf,
  emptyType,
  imageManifest,
  indexType,
  manifestType,
  type RegistryClient,
} from "./client.ts";
import { hostedStage } from "./rig.ts";

/** OCI distribution 1.1, "Content Discovery". */
const name = "team/app";
const empty = Buffer.from("{}");

async function list(client: RegistryClient, path: string): Promise<{ entries: string[]; link: string | undefined }> {
  const { status, body, headers } = await client.request(path);
  if (status !== 200) throw new Error(`${path} was answered with ${status}.`);
  const { tags, repositories } = JSON.parse(body.toString()) as { tags?: string[]; repositories?: string[] };
  const link = headers["link"] === undefined ? undefined : String(headers["link"]);
  return { entries: tags ?? repositories ?? [], link };
}

/** Follows Link to the end; the pages. */
async function pages(client: RegistryClient, path: string): Promise<string[][]> {
  const read: string[][] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const { entries, link } = await list(client, next);
    read.push(entries);
    next = link === undefined ? undefined : /^<([^>]+)>; rel="next"$/.exec(link)?.[1];
  }
  return read;
}

t.test("tags in lexical order without regard to case, with the repository's name", async (t) => {
  const { client } = await hostedStage(t);
  for (const tag of ["v2", "Alpha", "beta", "v10", "V1", "_x", "0.1"]) await client.pushImage(name, tag);
  const { status, headers, body } = await client.request(`/v2/${name}/tags/list`);
  t.equal(status, 200);
  t.equal(headers["content-type"], "application/json");
  t.same(JSON.parse(body.toString()), { name, tags: ["0.1", "_x", "Alpha", "beta", "V1", "v10", "v2"] });
});

t.test(
  "n limits them and Link leads on; last begins behind a tag, there or not; n=0 is an empty list without Link",
  async (t) => {
    const { client } = await hostedStage(t);
    const tags = ["a", "b", "c", "d", "e"];
    for (const tag of tags) await client.pushImage(name, tag);
    const path = `/v2/${name}/tags/list`;
    t.same(await pages(client, `${path}?n=2`), [["a", "b"], ["c", "d"], ["e"]]);
    t.same(await pages(client, `${path}?n=5`), [tags], "exactly all: no further page");
    t.same(await list(client, `${path}?n=100`), { entries: tags, link: undefined });
    t.same((await list(client, `${path}?n=2&last=b`)).entries, ["c", "d"]);
    t.same((await list(client, `${path}?last=bb`)).entries, ["c", "d", "e"]);
    t.same((await list(client, `${path}?last=e`)).entries, []);
    t.same(await list(client, `${path}?n=0`), { entries: [], link: undefined });
    for (const n of ["-1", "x", "1.5", ""]) t.equal((await client.request(`${path}?n=${n}`)).status, 400, n);
  },
);

t.test("a repository without tags has an empty list, one that never was is 404", async (t) => {
  const { client } = await hostedStage(t);
  await client.pushImage(name, "only");
  await client.request(`/v2/${name}/manifests/only`, { method: "DELETE" });
  t.same((await list(client, `/v2/${name}/tags/list`)).entries, []);
  t.equal((await client.request("/v2/team/never/tags/list")).status, 404);
});

t.test("the catalog holds each repository with a manifest, in order, page by page", async (t) => {
  const { client } = await hostedStage(t);
  for (const repository of ["zoo", "a/deep/name", "app", "lib/x"]) await client.pushImage(repository, "1");
  await client.pushBlob("only/blobs", randomBytes(5));
  t.same((await list(client, "/v2/_catalog")).entries, ["a/deep/name", "app", "lib/x", "zoo"]);
  t.same(await pages(client, "/v2/_catalog?n=3"), [["a/deep/name", "app", "lib/x"], ["zoo"]]);
  t.same((await list(client, "/v2/_catalog?last=app")).entries, ["lib/x", "zoo"]);
});

interface Index {
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: string; readonly artifactType?: string }[];
}

async function referrers(client: RegistryClient, digest: string, query = ""): Promise<Index> {
  const { body, headers, status } = await client.request(`/v2/${name}/referrers/${digest}${query}`);
  if (status !== 200 || headers["content-type"] !== indexType) throw new Error(`It was answered with ${status}.`);
  return JSON.parse(body.toString()) as Index;
}

t.test("referrers: an index of what was attached, with artifactType and annotations; empty, never 404", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "1");
  t.same((await referrers(client, image.digest)).manifests, []);
  t.same((await referrers(client, `sha256:${"a".repeat(64)}`)).manifests, []);
  const nowhere = await client.request(`/v2/no/where/referrers/${image.digest}`);
  t.equal(nowhere.status, 200);
  await client.pushBlob(name, empty);
  const subject = { mediaType: manifestType, digest: image.digest, size: image.bytes.length };
  const base = { schemaVersion: 2, mediaType: manifestType, subject };
  const annotations = { "org.example.kind": "sbom" };
  const attached = [
    { ...base, artifactType: "application/spdx+json", config: descriptor(empty, emptyType), layers: [], annotations },
    { ...base, config: descriptor(empty, "application/vnd.example.config"), layers: [] },
  ];
  const digests: string[] = [];
  for (const manifest of attached) {
    const put = await client.putManifest(name, `sha256:${sha(manifest)}`, manifest);
    t.equal(put.headers["oci-subject"], image.digest);
    digests.push(String(put.headers["docker-content-digest"]));
  }
  const index = { schemaVersion: 2, mediaType: indexType, manifests: [], subject };
  const put = await client.putManifest(name, "attached-index", index, indexType);
  digests.push(String(put.headers["docker-content-digest"]));
  const answer = await referrers(client, image.digest);
  t.equal(answer.mediaType, indexType);
  const byDigest = new Map(answer.manifests.map((entry) => [entry.digest, entry]));
  t.equal(byDigest.size, 3);
  t.strictSame(byDigest.get(digests[0] ?? ""), {
    mediaType: manifestType,
    digest: digests[0],
    size: JSON.stringify(attached[0]).length,
    artifactType: "application/spdx+json",
    annotations,
  });
  t.equal(byDigest.get(digests[1] ?? "")?.artifactType, "application/vnd.example.config", "the config's media type");
  t.notOk("artifactType" in (byDigest.get(digests[2] ?? "") ?? {}), "an index without one has none");

  const filtered = await client.request(`/v2/${name}/referrers/${image.digest}?artifactType=application/spdx%2Bjson`);
  t.equal(filtered.headers["oci-filters-applied"], "artifactType");
  t.same(
    (JSON.parse(filtered.body.toString()) as Index).manifests.map(({ digest }) => digest),
    [digests[0]],
  );
  t.equal((await client.request(`/v2/${name}/referrers/${image.digest}`)).headers["oci-filters-applied"], undefined);
});

t.test(
  "referrers that were attached before their subject was pushed are there, and go when they are deleted",
  async (t) => {
    const { client } = await hostedStage(t);
    const config = randomBytes(10);
    await client.pushBlob(name, config);
    const image = imageManifest(config, []);
    const digest = `sha256:${sha(image)}`;
    const subject = { mediaType: manifestType, digest, size: JSON.stringify(image).length };
    const put = await client.putManifest(name, "early", { ...imageManifest(config, []), subject });
    await client.putManifest(name, "image", image);
    const referrer = String(put.headers["docker-content-digest"]);
    t.same(
      (await referrers(client, digest)).manifests.map((entry) => entry.digest),
      [referrer],
    );
    await client.request(`/v2/${name}/manifests/${referrer}`, { method: "DELETE" });
    t.same((await referrers(client, digest)).manifests, []);
  },
);

t.test("a long list of referrers comes page by page", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "1");
  const subject = { mediaType: manifestType, digest: image.digest, size: image.bytes.length };
  for (let number = 0; number < 5; number += 1) {
    const annotations = { number: String(number) };
    await client.putManifest(name, `r${number}`, { schemaVersion: 2, mediaType: manifestType, subject, annotations });
  }
  const seen = new Set<string>();
  let path: string | undefined = `/v2/${name}/referrers/${image.digest}?n=2`;
  while (path !== undefined) {
    const { body, headers } = await client.request(path);
    for (const { digest } of (JSON.parse(body.toString()) as Index).manifests) seen.add(digest);
    path = /^<([^>]+)>/.exec(String(headers["link"] ?? ""))?.[1];
  }
  t.equal(seen.size, 5);
});

t.test("a digest that is none is 400", async (t) => {
  const { client } = await hostedStage(t);
  const answer = await client.request(`/v2/${name}/referrers/sha256:abc`);
  t.equal(answer.status, 400);
  t.equal(ociError(answer).code, "DIGEST_INVALID");
});

function sha(manifest: unknown): string {
  return digestOf(Buffer.from(JSON.stringify(manifest))).replace("sha256:", "");
}
