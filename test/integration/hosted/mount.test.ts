import { randomBytes } from "node:crypto";
import t from "tap";
import { digestOf } from "./client.ts";
import { hostedStage } from "./rig.ts";

/** OCI distribution 1.1, "Mounting a blob from another repository". */
const source = "team/source";
const target = "team/target";

t.test("a blob of another repository becomes readable here: 201, Location, nothing is uploaded", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(5000);
  const digest = await client.pushBlob(source, bytes);
  const mounted = await client.request(`/v2/${target}/blobs/uploads/?mount=${digest}&from=${source}`, {
    method: "POST",
  });
  t.equal(mounted.status, 201);
  t.equal(mounted.headers["docker-content-digest"], digest);
  t.same((await client.request(String(mounted.headers["location"]))).body, bytes);
});

t.test("without from it may be any repository's", async (t) => {
  const { client } = await hostedStage(t);
  const digest = await client.pushBlob(source, randomBytes(5000));
  const mounted = await client.request(`/v2/${target}/blobs/uploads/?mount=${digest}`, { method: "POST" });
  t.equal(mounted.status, 201);
  t.equal((await client.request(`/v2/${target}/blobs/${digest}`)).status, 200);
});

t.test("what cannot be mounted begins an upload: 202", async (t) => {
  const { client } = await hostedStage(t);
  const bytes = randomBytes(5000);
  const digest = await client.pushBlob(source, bytes);
  const unknown = digestOf(Buffer.from("never pushed"));
  for (const query of [
    `mount=${unknown}&from=${source}`,
    `mount=${unknown}`,
    `mount=${digest}&from=team/nobody`,
    `mount=${digest}&from=../../etc`,
    `mount=nonsense&from=${source}`,
    "mount=",
  ]) {
    const { status, headers } = await client.request(`/v2/${target}/blobs/uploads/?${query}`, { method: "POST" });
    t.equal(status, 202, query);
    const put = await client.request(`${String(headers["location"])}?digest=${digest}`, { method: "PUT", body: bytes });
    t.equal(put.status, 201);
    await client.request(`/v2/${target}/blobs/${digest}`, { method: "DELETE" });
  }
});

t.test("a mounted blob stays when the repository that it came from deletes it", async (t) => {
  const { client } = await hostedStage(t);
  const digest = await client.pushBlob(source, randomBytes(5000));
  await client.request(`/v2/${target}/blobs/uploads/?mount=${digest}&from=${source}`, { method: "POST" });
  t.equal((await client.request(`/v2/${source}/blobs/${digest}`, { method: "DELETE" })).status, 202);
  t.equal((await client.request(`/v2/${source}/blobs/${digest}`)).status, 404);
  t.equal((await client.request(`/v2/${target}/blobs/${digest}`)).status, 200);
});
