import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import t, { type Test } from "tap";
import { makeAuthority } from "../../fixtures/certificates.ts";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { connectThrough } from "../../fixtures/raw-socket.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import { clientOf, hub } from "../stage.ts";

/** The certificate that clients of Docker Hub are shown; the handshake checks it against the root in the proxy's directory. */
async function leaf(proxy: RunningProxy, caPem = proxy.caPem): Promise<X509Certificate> {
  const socket = (await connectThrough({ proxyPort: proxy.port, host: hub, caPem })) as TLSSocket;
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  if (certificate === undefined) throw new Error("There was no certificate.");
  return certificate;
}

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), "entrepot-ca-"));
  t.teardown(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

t.test("proxies that start at once on one CA directory end with one root", async (t) => {
  const registry = await startRegistry(t, { names: [hub] });
  const home = directory(t);
  const shared = join(home, "ca");
  const start = (number: number): Promise<RunningProxy> =>
    startProxy(t, { upstreams: [registry], directory: home, env: { CACHE_DIR: join(home, `cache-${number}`) } });
  const proxies = await Promise.all([1, 2, 3].map(start));
  const pem = readFileSync(join(shared, "ca.crt"), "utf8");
  const root = new X509Certificate(pem);
  for (const proxy of proxies) {
    t.equal(proxy.caPem.trim(), pem.trim());
    t.ok((await leaf(proxy, pem)).verify(root.publicKey));
    const own = await clientOf(t, proxy, hub).request("/v2/");
    t.equal(own.status, 200);
  }
  t.same(readdirSync(shared).toSorted(), ["ca.crt", "ca.key"], "and nothing is left of the others");
  t.equal(statSync(join(shared, "ca.key")).mode & 0o777, 0o600);
});

t.test("a restart keeps the CA, and makes other leaves", async (t) => {
  const registry = await startRegistry(t, { names: [hub] });
  const first = await startProxy(t, { upstreams: [registry] });
  const before = await leaf(first);
  const key = readFileSync(join(first.directory, "ca", "ca.key"), "utf8");
  await first.stop();
  const second = await startProxy(t, { upstreams: [registry], directory: first.directory });
  t.equal(second.caPem, first.caPem);
  t.equal(readFileSync(join(first.directory, "ca", "ca.key"), "utf8"), key);
  const after = await leaf(second);
  t.not(after.fingerprint256, before.fingerprint256);
  t.ok(after.checkHost(hub));
});

t.test("a user's own CA is the one that leaves are of", async (t) => {
  const registry = await startRegistry(t, { names: [hub] });
  for (const kind of ["ec", "rsa"] as const) {
    const authority = makeAuthority(`A user's own ${kind}`, kind);
    const home = directory(t);
    mkdirSync(join(home, "ca"));
    writeFileSync(join(home, "ca", "ca.crt"), authority.caPem);
    writeFileSync(join(home, "ca", "ca.key"), authority.keyPem, { mode: 0o600 });
    const proxy = await startProxy(t, { upstreams: [registry], directory: home });
    t.match((await leaf(proxy, authority.caPem)).issuer, `CN=A user's own ${kind}`);
    const own = clientOf(t, proxy, "docker.caching.proxy.internal");
    t.equal((await own.request("/ca.crt")).body.toString().trim(), authority.caPem.trim());
    t.equal(readFileSync(join(home, "ca", "ca.key"), "utf8"), authority.keyPem, "and it is left as it is");
  }
});
