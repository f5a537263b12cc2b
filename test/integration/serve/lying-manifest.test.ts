import t from "tap";
import { gate } from "../../fixtures/gate.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { contentOfBytes } from "../../fixtures/synthetic-blob.ts";
import { cacheStatus, clientOf, ociError, stage, until } from "../stage.ts";

const mediaType = "application/vnd.oci.image.manifest.v1+json";

t.test("a blob that is longer than its manifest says is refused before it is sent, and only there", async (t) => {
  const { registry, client, proxy } = await stage(t);
  const blob = contentOfBytes(uniqueBytes(200_000));
  for (const repository of ["library/liar", "library/app"]) registry.blob(repository, blob);
  const layers = [{ mediaType: "application/octet-stream", digest: blob.digest, size: 199_999 }];
  registry.content.manifest("library/liar", { schemaVersion: 2, mediaType, layers }, mediaType, "latest");
  const pulled = await client.request("/v2/library/liar/manifests/latest", { headers: { accept: manifestAccept } });
  t.equal(pulled.status, 200);

  const held = gate();
  const end = registry.fault({ repository: "library/liar", kind: "blob" }, { holdUntil: held });
  const lied = client.request(`/v2/library/liar/blobs/${blob.digest}`);
  await registry.seen({ repository: "library/liar", kind: "blob" });
  const other = clientOf(t, proxy);
  const meanwhile = other.request(`/v2/library/app/blobs/${blob.digest}`);
  const asked = await registry.seen({ method: "HEAD", repository: "library/app", kind: "blob" });
  await until(() => asked.ended === "finished");
  // Until it follows: the answer to its HEAD is a few turns away.
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  held.open();
  end();
  const refused = await lied;
  t.equal(refused.status, 502);
  t.match(ociError(refused), { code: "UPSTREAM_WRONG_LENGTH", message: /its manifest says/ });
  t.match(
    await meanwhile,
    { status: 200, headers: { [cacheStatus]: "MISS" } },
    "who waited for the same bytes elsewhere",
  );
  const after = await client.request(`/v2/library/app/blobs/${blob.digest}`);
  t.match(after, { status: 200, headers: { [cacheStatus]: "HIT" } });
});
