import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { inOneProcess, startProxy } from "../../fixtures/proxy.ts";
import { startRegistry } from "../../fixtures/registry.ts";
import { cannotMount, SmallDisk } from "../cache/small-disk.ts";
import { clientOf, hub } from "../stage.ts";

/** Another process says why it cannot start in words. */
const code = inOneProcess ? { code: "CA_INVALID" } : {};

t.test("a CA that finds no room at its first start is made whole at the next", { skip: cannotMount }, async (t) => {
  const registry = await startRegistry(t, { names: [hub] });
  const disk = new SmallDisk(t, 64 * 1024, "ca");
  const options = { upstreams: [registry], directory: disk.directory };
  const free = disk.fill();
  await t.rejects(startProxy(t, options), {
    ...code,
    message: /CA file ca\.key cannot be made: .*ca .*CA_DIR/,
  });
  t.same(readdirSync(disk.cache), ["filler"], "nothing of it stays");
  free();
  const proxy = await startProxy(t, options);
  const key = readFileSync(join(disk.cache, "ca.key"), "utf8");
  t.equal((await clientOf(t, proxy).request("/v2/")).status, 200);
  await proxy.stop();

  disk.fill();
  const again = await startProxy(t, options);
  t.equal((await clientOf(t, again).request("/v2/")).status, 200, "leaves are made without the disk");
  t.equal(readFileSync(join(disk.cache, "ca.key"), "utf8"), key);
  await again.stop();
});

t.test("a CA directory that is read-only", { skip: cannotMount }, async (t) => {
  const registry = await startRegistry(t, { names: [hub] });
  const disk = new SmallDisk(t, 64 * 1024, "ca");
  const options = { upstreams: [registry], directory: disk.directory };
  await disk.remount("ro");
  await t.rejects(startProxy(t, options), { ...code, message: /read-only|EROFS/ });
  await disk.remount("rw");
  await (await startProxy(t, options)).stop();
  await disk.remount("ro");
  const proxy = await startProxy(t, options);
  t.equal((await clientOf(t, proxy).request("/v2/")).status, 200, "one that was made before is enough");
  await proxy.stop();
});
