import t from "tap";
import { ociError } from "../stage.ts";
import { hostedStage } from "./rig.ts";

/** OCI distribution 1.1, "Content Management". */
const name = "team/app";
const remove = { method: "DELETE" } as const;

t.test("a tag: 202, its GET is 404 from then on, and the manifest stays", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "1.0");
  await client.putManifest(name, "same", image.bytes);
  t.equal((await client.request(`/v2/${name}/manifests/1.0`, remove)).status, 202);
  t.equal((await client.request(`/v2/${name}/manifests/1.0`)).status, 404);
  t.equal((await client.request(`/v2/${name}/manifests/${image.digest}`)).status, 200);
  t.equal((await client.request(`/v2/${name}/manifests/same`)).status, 200);
  const again = await client.request(`/v2/${name}/manifests/1.0`, remove);
  t.equal(again.status, 404);
  t.equal(ociError(again).code, "MANIFEST_UNKNOWN");
});

t.test("a manifest: 202, and it and every tag that points to it are 404", async (t) => {
  const { client } = await hostedStage(t);
  const image = await client.pushImage(name, "1.0");
  await client.putManifest(name, "same", image.bytes);
  const other = await client.pushImage(name, "other");
  t.equal((await client.request(`/v2/${name}/manifests/${image.digest}`, remove)).status, 202);
  for (const reference of [image.digest, "1.0", "same"]) {
    t.equal((await client.request(`/v2/${name}/manifests/${reference}`)).status, 404, reference);
  }
  const { body } = await client.request(`/v2/${name}/tags/list`);
  t.same(JSON.parse(body.toString()), { name, tags: ["other"] });
  t.equal((await client.request(`/v2/${name}/manifests/${other.digest}`)).status, 200);
  t.equal((await client.request(`/v2/${name}/manifests/${image.digest}`, remove)).status, 404);
});

t.test("a blob: 202, then 404; another repository's is untouched", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = Buffer.from("content");
  const digest = await client.pushBlob(name, bytes);
  await client.pushBlob("team/other", bytes);
  t.equal((await client.request(`/v2/${name}/blobs/${digest}`, remove)).status, 202);
  t.equal((await client.request(`/v2/${name}/blobs/${digest}`)).status, 404);
  t.equal((await client.request(`/v2/${name}/blobs/${digest}`, { method: "HEAD" })).status, 404);
  const again = await client.request(`/v2/${name}/blobs/${digest}`, remove);
  t.equal(again.status, 404);
  t.equal(ociError(again).code, "BLOB_UNKNOWN");
  t.equal((await client.request(`/v2/team/other/blobs/${digest}`)).status, 200);
  await client.pushBlob(name, bytes);
  t.equal((await client.request(`/v2/${name}/blobs/${digest}`)).status, 200, "pushed again");
});

t.test("in a repository that is not there everything is 404", async (t) => {
  const { client } = await hostedStage(t);
  const digest = `sha256:${"1".repeat(64)}`;
  for (const path of [`manifests/1.0`, `manifests/${digest}`, `blobs/${digest}`]) {
    t.equal((await client.request(`/v2/no/body/${path}`, remove)).status, 404, path);
  }
});
