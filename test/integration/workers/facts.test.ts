import t from "tap";
import type { SeenRequest } from "../../fixtures/faults.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { manifestAccept } from "../../fixtures/proxy-client.ts";
import { crewStage } from "./crew.ts";

t.test("a tag that is pushed through one worker is at once what every other one serves", async (t) => {
  const env = { ALLOW_PUSH: "true", ENABLE_MANIFEST_CACHE: "true" };
  const { registry, clients } = await crewStage(t, { env });
  registry.image({ repository: "library/app", tag: "stable", layers: [Buffer.from("one")] });
  const crowd = clients(6);
  const at = "/v2/library/app/manifests/stable";
  const headers = { accept: manifestAccept };
  for (const client of crowd) t.equal((await client.request(at, { headers })).status, 200);
  for (let round = 0; round < 3; round += 1) {
    const other = registry.image({ repository: "library/app", tag: `other-${round}`, layers: [uniqueBytes(100)] });
    const [pusher] = crowd;
    const manifest = await pusher?.request(`/v2/library/app/manifests/other-${round}`, { headers });
    const pushed = await pusher?.request(at, {
      method: "PUT",
      headers: { "content-type": String(manifest?.headers["content-type"]) },
      body: manifest?.body ?? Buffer.alloc(0),
    });
    t.equal(pushed?.status, 201);
    for (const client of crowd) {
      const { headers: got } = await client.request(at, { headers });
      t.equal(got["docker-content-digest"], other.digest);
    }
  }
});

t.test("a registry that refuses a credential through one worker has refused it for all", async (t) => {
  let revoked = false;
  const authorize = ({ headers: { authorization } }: SeenRequest): string | undefined =>
    authorization === "Basic YTpi" && !revoked ? undefined : 'Basic realm="registry"';
  const { registry, clients } = await crewStage(t, { registry: { authorize } });
  const blob = registry.blob("team/app", uniqueBytes(10_000));
  const other = registry.blob("team/app", uniqueBytes(10_000));
  const headers = { authorization: "Basic YTpi" };
  const at = ({ digest }: { readonly digest: string }): string => `/v2/team/app/blobs/${digest}`;
  const crowd = clients(6);
  for (const client of crowd) t.equal((await client.request(at(blob), { headers })).status, 200);
  t.equal(registry.count({ kind: "blob" }), 1, "what one of them proved counts for all");
  revoked = true;
  t.equal((await crowd[0]?.request(at(other), { headers }))?.status, 401);
  for (const client of crowd) t.equal((await client.request(at(blob), { headers })).status, 401);
});
