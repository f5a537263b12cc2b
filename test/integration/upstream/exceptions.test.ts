import { join } from "node:path";
import t from "tap";
import { startProxy } from "../../fixtures/proxy.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { startTokenServer } from "../../fixtures/token-server.ts";
import { clientOf, ociError } from "../stage.ts";

t.test("registries that the file lists as plain HTTP or insecure are reached as that, and no others", async (t) => {
  const plain = await startRegistry(t, { tls: false, names: ["plain.test:443"] });
  const insecure = await startRegistry(t, { names: ["insecure.test"], certificate: "untrusted" });
  const strict = await startRegistry(t, { names: ["strict.test"], certificate: "untrusted" });
  const directory = t.testdir({
    "entrepot.yaml": "upstreams:\n  plain.test: { plainHttp: true }\n  insecure.test: { insecure: true }\n",
  });
  const proxy = await startProxy(t, {
    upstreams: [plain, insecure, strict],
    env: { CONFIG: join(directory, "entrepot.yaml") },
  });
  const blob = plain.blob("app", uniqueBytes(300));
  const client = clientOf(t, proxy, "plain.test");
  for (const cache of ["MISS", "HIT"]) {
    t.match(await client.hash(`/v2/app/blobs/${blob.digest}`), { status: 200, digest: blob.digest, cache });
  }
  t.equal((await clientOf(t, proxy, "insecure.test").request("/v2/")).status, 200);
  const refused = await clientOf(t, proxy, "strict.test").request("/v2/");
  t.equal(refused.status, 502);
  t.equal(ociError(refused).code, "UPSTREAM_TLS");
});

t.test("a password does not go to a token service in plain HTTP", async (t) => {
  const tokens = await startTokenServer(t, {
    tls: false,
    names: ["auth.test"],
    realmPort: 80,
    users: { robot: { password: "secret", pull: ["*"] } },
  });
  const registry = await startRegistry(t, { names: ["registry.test"], authorize: tokens.authorize });
  const proxy = await startProxy(t, {
    upstreams: [registry, tokens],
    env: { AUTH_REGISTRIES: "registry.test:robot:secret" },
  });
  const answer = await clientOf(t, proxy, "registry.test").request("/v2/app/tags/list");
  t.equal(answer.status, 401);
  t.equal(tokens.requests.length, 0);
});
