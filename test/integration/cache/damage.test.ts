import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { conditionOf } from "../../../src/cache/check.ts";
import { parseDigest } from "../../../src/core/digest.ts";
import { gate } from "../../fixtures/gate.ts";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { type FixtureRegistry, startRegistry, uniqueBytes } from "../../fixtures/registry.ts";
import type { Content } from "../../fixtures/synthetic-blob.ts";
import { clientOf, hub, until } from "../stage.ts";
import { fileOf, flip, path } from "./files.ts";

t.setTimeout(120_000);

/** What happens to the file of a blob of so many bytes; another blob's file is at hand. */
const damages: Record<string, { size: number; harm: (file: string, other: string) => void }> = {
  "is cut short": { size: 400_000, harm: (file) => truncateSync(file, 399_999) },
  "is emptied": { size: 400_000, harm: (file) => truncateSync(file, 0) },
  "has grown": { size: 400_000, harm: (file) => writeFileSync(file, "more", { flag: "a" }) },
  "is deleted": { size: 400_000, harm: (file) => rmSync(file) },
  "is another blob's": { size: 400_000, harm: (file, other) => writeFileSync(file, readFileSync(other)) },
  "has a flipped bit": { size: 400_000, harm: (file) => flip(file, 200_000) },
  "was swapped for another's of the same size": {
    size: 400_000,
    harm(file) {
      writeFileSync(`${file}.new`, uniqueBytes(400_000));
      renameSync(`${file}.new`, file);
    },
  },
  "has a flipped bit, and is small": { size: 50_000, harm: (file) => flip(file, 49_000) },
};

async function stage(t: Test): Promise<{ registry: FixtureRegistry; proxy: RunningProxy }> {
  const registry = await startRegistry(t, { names: [hub] });
  return { registry, proxy: await startProxy(t, { upstreams: [registry], env: { CACHE_MIN_FREE: "0" } }) };
}

for (const when of ["while it runs", "while it is stopped"] as const) {
  t.test(`content whose file was damaged ${when} is fetched anew`, async (t) => {
    const { registry, proxy } = await stage(t);
    const cases = Object.entries(damages).map(([name, { size, harm }]) => ({
      name,
      harm,
      blob: registry.blob("library/app", uniqueBytes(size)),
    }));
    const other = registry.blob("library/app", uniqueBytes(300_000));
    const first = clientOf(t, proxy);
    for (const { blob } of [...cases, { blob: other }]) t.equal((await first.hash(path(blob))).digest, blob.digest);
    if (when === "while it is stopped") await proxy.stop();
    for (const { blob, harm } of cases) harm(fileOf(proxy, blob), fileOf(proxy, other));
    const again =
      when === "while it runs" ? proxy : await startProxy(t, { upstreams: [registry], directory: proxy.directory });
    const client = clientOf(t, again);
    for (const { name, blob } of cases) {
      const [pulled, later] = [await client.hash(path(blob)), await client.hash(path(blob))];
      t.match(pulled, { status: 200, digest: blob.digest }, name);
      t.match(later, { status: 200, digest: blob.digest, cache: "HIT" }, `${name}, and again`);
      const digest = parseDigest(blob.digest);
      if (digest === undefined) throw new Error("No digest.");
      // The file too, not memory alone. A small one is served from memory, so it may be mended at the next start only.
      if (blob.size > 65_536 || when === "while it is stopped") {
        const cache = join(proxy.directory, "cache");
        t.equal(await conditionOf(cache, digest, Buffer.alloc(65_536), new AbortController().signal), "whole", name);
      }
    }
    t.ok(again.logLines.filter(({ event }) => event === "cache-trouble").length <= 1, "one line");
    if (again !== proxy) await again.stop();
  });
}

t.test("a cache directory that is wiped under a running proxy", async (t) => {
  const { registry, proxy } = await stage(t);
  const client = clientOf(t, proxy);
  const [held, filling, fresh] = [1, 2, 3].map(() => registry.blob("library/app", uniqueBytes(2_000_000))) as [
    Content,
    Content,
    Content,
  ];
  const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(1000)] });
  await client.hash(path(held));
  await client.pull("library/app", "1");
  const rest = gate();
  registry.fault({ reference: filling.digest }, { stall: { after: 1_000_000, until: rest } });
  const reading = client.hash(path(filling));
  await registry.seen({ reference: filling.digest });
  rmSync(join(proxy.directory, "cache"), { recursive: true });
  rest.open();
  t.equal((await reading).digest, filling.digest, "what is on its way arrives");
  for (const blob of [held, filling, fresh]) {
    t.match(await client.hash(path(blob)), { status: 200, digest: blob.digest });
    t.match(await client.hash(path(blob)), { status: 200, digest: blob.digest, cache: "HIT" });
  }
  t.equal((await client.pull("library/app", "1")).digest, image.digest);
  t.ok(proxy.logLines.filter(({ event }) => event === "cache-trouble").length <= 2);
});

t.test("a second proxy on the same directory is refused, and named", async (t) => {
  const { registry, proxy } = await stage(t);
  const options = { upstreams: [registry], directory: proxy.directory };
  await t.rejects(startProxy(t, options), {
    code: "CONFIG_INVALID",
    message: new RegExp(`CACHE_DIR.*process ${proxy.end.pid}\\b`),
  });
  const blob = registry.blob("library/app", uniqueBytes(1000));
  const client = clientOf(t, proxy);
  t.match(await client.hash(path(blob)), { digest: blob.digest }, "the first one goes on");
  await proxy.stop();
  const next = await startProxy(t, options);
  await until(() => next.port > 0);
  await next.stop();
});
