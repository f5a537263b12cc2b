import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { startProxy } from "../../fixtures/proxy.ts";
import { cacheStatus, ociError } from "../stage.ts";
import { basic, domainStage, imageIn, manifest, saidBy } from "./domain-stage.ts";

const alice = basic("alice:wonder").authorization;

t.test("with AUTH_HEADER private images are served to everybody, and the token exchange is ours", async (t) => {
  const { registry, tokens, client } = await domainStage(t, { env: { AUTH_HEADER: alice } });
  const image = imageIn(registry, "closed");
  const ping = await client.request("/v2/");
  t.equal(ping.status, 200);
  t.equal(ping.headers["www-authenticate"], undefined);
  t.match(await manifest(client, "closed"), {
    status: 200,
    headers: { "docker-content-digest": image.manifest.digest },
  });
  const blob = `/v2/closed/blobs/${image.layers[0]?.digest}`;
  for (const cache of ["MISS", "HIT"])
    t.match(await client.request(blob), { status: 200, headers: { [cacheStatus]: cache } });
  t.ok(tokens?.requests.every(({ user }) => user === "alice"));
  const forged = { authorization: "Bearer forged", cookie: "session=1" };
  t.equal((await client.request(blob, { headers: forged })).status, 200, "whatever the client sends");
  t.ok(
    registry.requests.every(
      ({ headers }) => headers["authorization"] !== "Bearer forged" && headers["cookie"] === undefined,
    ),
  );
  t.equal((await client.request("/_token?scope=repository:closed:pull")).status, 404);
});

t.test("whoever is not the front reads nothing with its credential", async (t) => {
  const { registry, proxy, client } = await domainStage(t, { env: { AUTH_HEADER: alice } });
  const image = imageIn(registry, "closed");
  const blob = `/v2/closed/blobs/${image.layers[0]?.digest}`;
  t.equal((await client.request(blob)).status, 200);
  const intercepted = proxy.client("reg.test");
  t.teardown(() => intercepted.close());
  t.equal((await intercepted.request(`/v2/team/images/closed/blobs/${image.layers[0]?.digest}`)).status, 401);
});

t.test("it is read-only then: every method but GET and HEAD is a 405 that says why", async (t) => {
  const { registry, client } = await domainStage(t, { env: { AUTH_HEADER: alice } });
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
    const answer = await client.request("/v2/closed/blobs/uploads/", { method });
    t.match(answer, { status: 405, headers: { allow: "GET, HEAD" } }, method);
    t.match(ociError(answer), { code: "UNSUPPORTED", message: /AUTH_HEADER/ }, method);
  }
  t.equal(registry.requests.length, 0);
});

t.test("a credential that the registry refuses is an error without a challenge", async (t) => {
  const { registry, client } = await domainStage(t, { env: { AUTH_HEADER: basic("alice:wrong").authorization } });
  imageIn(registry, "closed");
  const answer = await manifest(client, "closed");
  t.equal(answer.status, 401);
  t.equal(answer.headers["www-authenticate"], undefined);
  t.notMatch(saidBy(answer), /alice|wrong/);
});

t.test("a Bearer is sent as it is", async (t) => {
  const { registry, client } = await domainStage(t, { auth: "none", env: { AUTH_HEADER: "bearer abc.def" } });
  imageIn(registry, "open");
  t.equal((await manifest(client, "open")).status, 200);
  t.match(registry.requests.at(-1)?.headers, { authorization: "Bearer abc.def" });
});

t.test("a Google service account's key is the password of _json_key", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-key-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "key.json");
  const key = JSON.stringify({ type: "service_account", private_key: "made up: for a test" }, undefined, 2);
  writeFileSync(file, `${key}\n`);
  const { registry, client, proxy } = await domainStage(t, {
    auth: "none",
    env: { GOOGLE_APPLICATION_CREDENTIALS: file },
  });
  imageIn(registry, "open");
  t.equal((await manifest(client, "open")).status, 200);
  t.match(registry.requests.at(-1)?.headers, basic(`_json_key:${key}`));
  await proxy.stop();
  t.notMatch(JSON.stringify(proxy.logLines), /made up/);
  writeFileSync(file, "{}");
  const env = { REGISTRY_HOST: "reg.test", GOOGLE_APPLICATION_CREDENTIALS: file };
  await t.rejects(startProxy(t, { env }), {
    code: "CONFIG_INVALID",
    message: /^GOOGLE_APPLICATION_CREDENTIALS: .*no such key/,
  });
  await t.rejects(startProxy(t, { env: { ...env, GOOGLE_APPLICATION_CREDENTIALS: `${file}x` } }), {
    code: "CONFIG_INVALID",
  });
});
