import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { gate } from "../../fixtures/gate.ts";
import { ProxyProcess } from "../../fixtures/proxy-process.ts";
import { startProxy } from "../../fixtures/proxy.ts";
import { startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import { clientOf, hub } from "../stage.ts";
import { eventually } from "./crew.ts";

/** A proxy of two workers with a file that configures it. */
async function configured(t: Test) {
  const registry = await startRegistry(t, { names: [hub] });
  const directory = mkdtempSync(join(tmpdir(), "entrepot-reload-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "entrepot.yaml");
  writeFileSync(file, "allowPush: false\n");
  const proxy = await startProxy(t, { upstreams: [registry], directory, env: { WORKERS: "2", CONFIG: file } });
  const { end } = proxy;
  if (!(end instanceof ProxyProcess)) throw new Error("It is one process.");
  return { registry, proxy, end, file };
}

t.test("SIGHUP: what is configured anew counts for who comes next, and no pull is dropped", async (t) => {
  const { registry, proxy, end, file } = await configured(t);
  const slow = registry.blob("library/app", uniqueBytes(3_000_000));
  const small = registry.blob("library/app", uniqueBytes(20_000));
  const path = `/v2/library/app/blobs/${slow.digest}`;
  const rest = gate();
  registry.fault({ reference: slow.digest, method: "GET" }, { stall: { after: 1_000_000, until: rest } }, 1);
  const pulls = [1, 2, 3, 4].map(() => clientOf(t, proxy).hash(path));
  await registry.seen({ reference: slow.digest, method: "GET" });
  const before = new Set(end.workers());
  const push = (): Promise<{ status: number }> =>
    clientOf(t, proxy).request("/v2/library/app/blobs/uploads/", { method: "POST" });
  t.equal((await push()).status, 405);

  writeFileSync(file, "allowPush: true\n");
  const reloaded = new AbortController();
  // A crowd that never stops coming: each of them on a connection of its own.
  const crowd = [1, 2, 3].map(async () => {
    const seen: number[] = [];
    while (!reloaded.signal.aborted) {
      const client = proxy.client(hub);
      seen.push((await client.hash(`/v2/library/app/blobs/${small.digest}`)).status);
      client.close();
    }
    return seen;
  });
  process.kill(end.pid, "SIGHUP");
  await eventually(() => proxy.logLines.some(({ event }) => event === "reloaded"));
  reloaded.abort();
  const statuses = (await Promise.all(crowd)).flat();
  t.ok(statuses.length > 0);
  t.same([...new Set(statuses)], [200], "nobody was refused meanwhile");
  t.not((await push()).status, 405, "the new configuration counts");
  rest.open();
  for (const { digest } of await Promise.all(pulls)) t.equal(digest, slow.digest, "a pull that was running ends whole");
  t.equal(registry.count({ reference: slow.digest, method: "GET" }), 1);
  await eventually(() => end.workers().every((pid) => !before.has(pid)));
  t.equal(end.workers().length, 2, "the old ones are gone");
});

t.test("SIGHUP with a configuration that cannot be run changes nothing", async (t) => {
  const { registry, proxy, end, file } = await configured(t);
  const before = new Set(end.workers());
  writeFileSync(file, "allowPush: perhaps\n");
  process.kill(end.pid, "SIGHUP");
  const line = await eventually(() =>
    proxy.logLines.find(({ level, event }) => event === "reload" && level === "error"),
  );
  t.match(line["problem"], /allowPush/);
  t.same(new Set(end.workers()), before);
  const blob = registry.blob("library/app", uniqueBytes(1000));
  t.match(await clientOf(t, proxy).hash(`/v2/library/app/blobs/${blob.digest}`), { digest: blob.digest });
});
