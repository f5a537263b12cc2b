import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Timers } from "../../../src/cache/timers.ts";
import { parseDigest } from "../../../src/core/digest.ts";
import { blobPath, repositoryDirectory } from "../../../src/hosted/layout.ts";
import { type Bare, startBare } from "../../integration/hosted/bare.ts";
import { digestOf } from "../../integration/hosted/client.ts";

const { signal } = new AbortController();
const hour = 3_600_000;
const name = "team/app";

class Clock {
  time = Date.now();
  now(): number {
    return this.time;
  }
}

interface Stage extends Bare {
  readonly storage: string;
  readonly clock: Clock;
}

async function stage(t: Test, options: Partial<Parameters<typeof startBare>[0]> = {}): Promise<Stage> {
  const storage = t.testdir();
  const clock = new Clock();
  const bare = await startBare({ storage, clock, gcGrace: 24 * hour, ...options });
  t.teardown(() => bare.stop());
  return { ...bare, storage, clock };
}

function pathOf(storage: string, text: string): string {
  const digest = parseDigest(text);
  if (digest === undefined) throw new Error(`${text} is no digest.`);
  return blobPath(storage, digest);
}

t.test("what no manifest refers to goes when its grace is over; what one refers to never does", async (t) => {
  const { client, hosted, storage, clock } = await stage(t);
  const image = await client.pushImage(name, "1");
  const loose = await client.pushBlob(name, randomBytes(500));
  clock.time += 23 * hour;
  t.match(await hosted.gc(signal), { blobs: 0, kept: 3 });
  clock.time += 2 * hour;
  t.match(await hosted.gc(signal), { blobs: 1, bytes: 500, kept: 2 });
  t.notOk(existsSync(pathOf(storage, loose)));
  t.equal((await client.request(`/v2/${name}/blobs/${loose}`)).status, 404);
  clock.time += 1000 * 24 * hour;
  t.match(await hosted.gc(signal), { blobs: 0, kept: 2 });
  for (const blob of image.blobs) t.equal((await client.request(`/v2/${name}/blobs/${blob}`)).status, 200);
});

t.test("asking for a blob by HEAD, pushing it again and mounting it give it its grace anew", async (t) => {
  const { client, hosted, clock } = await stage(t);
  const bytes = randomBytes(500);
  const digest = await client.pushBlob(name, bytes);
  const renewals = [
    () => client.request(`/v2/${name}/blobs/${digest}`, { method: "HEAD" }),
    () => client.pushBlob(name, bytes),
    () => client.request(`/v2/team/other/blobs/uploads/?mount=${digest}&from=${name}`, { method: "POST" }),
  ];
  for (const renew of renewals) {
    clock.time += 20 * hour;
    await renew();
    clock.time += 20 * hour;
    t.match(await hosted.gc(signal), { blobs: 0, kept: 1 });
  }
});

t.test("a deleted manifest lets go of its blobs, but for those that another repository has", async (t) => {
  const { client, hosted, clock } = await stage(t);
  const image = await client.pushImage(name, "1");
  const [config = "", layer = ""] = image.blobs;
  for (const blob of [config, layer])
    await client.request(`/v2/team/other/blobs/uploads/?mount=${blob}&from=${name}`, { method: "POST" });
  t.equal((await client.putManifest("team/other", "1", image.bytes)).status, 201);
  await client.request(`/v2/${name}/manifests/${image.digest}`, { method: "DELETE" });
  clock.time += 48 * hour;
  t.match(await hosted.gc(signal), { blobs: 0, kept: 2 });
  t.equal((await client.request(`/v2/${name}/blobs/${layer}`)).status, 404, "no longer this one's");
  t.equal((await client.request(`/v2/team/other/blobs/${layer}`)).status, 200);
  t.same(JSON.parse((await client.request("/v2/_catalog")).body.toString()), { repositories: ["team/other"] });
});

t.test("a blob whose right to be read was deleted stays while a manifest refers to it", async (t) => {
  const { client, hosted, clock, storage } = await stage(t);
  const image = await client.pushImage(name, "1");
  const [, layer = ""] = image.blobs;
  await client.request(`/v2/${name}/blobs/${layer}`, { method: "DELETE" });
  clock.time += 48 * hour;
  await hosted.gc(signal);
  t.ok(existsSync(pathOf(storage, layer)));
});

t.test("what a collector that was killed left aside is brought back, and collected in its turn", async (t) => {
  const { client, hosted, clock, storage } = await stage(t);
  const image = await client.pushImage(name, "1");
  const [config = "", layer = ""] = image.blobs;
  const loose = await client.pushBlob(name, randomBytes(20));
  for (const digest of [config, layer, loose]) renameSync(pathOf(storage, digest), `${pathOf(storage, digest)}.gone`);
  t.equal((await client.request(`/v2/${name}/blobs/${layer}`)).status, 200, "a reader brings it back");
  clock.time += 48 * hour;
  t.match(await hosted.gc(signal), { blobs: 0, kept: 3 }, "so does a collector");
  t.match(await hosted.gc(signal), { blobs: 1, kept: 2 });
  t.ok(existsSync(pathOf(storage, config)));
  t.notOk(existsSync(`${pathOf(storage, loose)}.gone`));
});

t.test("one collector at a time, whoever runs it", async (t) => {
  const { hosted, client } = await stage(t);
  await client.pushImage(name, "1");
  const outcomes = await Promise.allSettled([hosted.gc(signal), hosted.gc(signal)]);
  t.same(outcomes.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  t.match(
    outcomes.find(({ status }) => status === "rejected"),
    { reason: { code: "STORAGE_BUSY" } },
  );
  await t.resolves(hosted.gc(signal));
});

t.test("a manifest that has rotted ends the collection before anything is removed on its account", async (t) => {
  const { client, hosted, clock, storage } = await stage(t);
  const image = await client.pushImage(name, "1");
  const folder = join(repositoryDirectory(storage, name), "manifests");
  writeFileSync(join(folder, image.digest.replace(":", "-")), "rot");
  clock.time += 48 * hour;
  await t.rejects(hosted.gc(signal), { code: "STORAGE_IO" });
  t.ok(image.blobs.every((blob) => existsSync(pathOf(storage, blob))));
  const answer = await client.request(`/v2/${name}/manifests/1`);
  t.equal(answer.status, 500);
  t.equal((await client.request(`/v2/${name}/manifests/${image.digest}`, { method: "DELETE" })).status, 202);
  t.match(await hosted.gc(signal), { blobs: 2, kept: 0 });
});

t.test("tags and referrers whose manifests are gone are cleared", async (t) => {
  const { client, hosted, storage } = await stage(t);
  const image = await client.pushImage(name, "1");
  const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: image.digest, size: 1 };
  const referrer = await client.pushImage(name, "attached", { subject });
  const directory = repositoryDirectory(storage, name);
  // As a deletion that was killed leaves it.
  unlinkSync(join(directory, "manifests", referrer.digest.replace(":", "-")));
  t.same(JSON.parse((await client.request(`/v2/${name}/tags/list`)).body.toString()), {
    name,
    tags: ["1", "attached"],
  });
  await hosted.gc(signal);
  t.same(JSON.parse((await client.request(`/v2/${name}/tags/list`)).body.toString()), { name, tags: ["1"] });
  t.same(readdirSync(join(directory, "referrers", image.digest.replace(":", "-"))), []);
});

t.test("drafts of dead processes go, those of today stay", async (t) => {
  const { hosted, storage } = await stage(t);
  const drafts = join(storage, "drafts");
  mkdirSync(drafts);
  for (const file of ["old", "new"]) writeFileSync(join(drafts, file), "");
  utimesSync(join(drafts, "old"), 1000, 1000);
  await hosted.gc(signal);
  t.same(readdirSync(drafts), ["new"]);
});

t.test("on schedule: when the interval is over since anybody's last, and uploads in between", async (t) => {
  const ticks: (() => void)[] = [];
  const timers: Timers = {
    every: (_, action) => {
      ticks.push(action);
      return () => undefined;
    },
  };
  const { client, hosted, clock, storage } = await stage(t, {
    timers,
    gcInterval: 24 * hour,
    gcGrace: 0,
    uploadTtl: hour,
  });
  await hosted.gc(signal);
  const loose = await client.pushBlob(name, randomBytes(10));
  await client.begin(name);
  clock.time += 2 * hour;
  const tick = async (done: () => boolean): Promise<void> => {
    while (!done()) {
      for (const action of ticks) action();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await tick(() => readdirSync(join(storage, "uploads")).length === 0);
  t.ok(existsSync(pathOf(storage, loose)), "it is not time yet");
  clock.time += 23 * hour;
  await tick(() => !existsSync(pathOf(storage, loose)));
});

t.test("a collection that is stopped stops", async (t) => {
  const { client, hosted } = await stage(t);
  await client.pushImage(name, "1");
  await t.rejects(hosted.gc(AbortSignal.abort()));
  t.equal(digestOf((await client.request(`/v2/${name}/manifests/1`)).body).length, 71);
});
