import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import t from "tap";
import { cannotMount, SmallDisk } from "../cache/small-disk.ts";
import { ociError } from "../stage.ts";
import { startBare } from "./bare.ts";
import { digestOf, imageManifest } from "./client.ts";
import { temporary } from "./rig.ts";

const name = "team/app";
const MiB = 1024 * 1024;

t.test(
  "a full disk: 507 that says so, what was accepted is served, and pushes go on once there is room",
  { skip: cannotMount },
  async (t) => {
    const storage = new SmallDisk(t, 6 * MiB).cache;
    const { client, stop } = await startBare({ storage });
    t.teardown(stop);
    const image = await client.pushImage(name, "1");
    const ballast = await client.pushBlob(name, randomBytes(4 * MiB));
    const bytes = randomBytes(3 * MiB);
    const location = await client.begin(name);
    const refused = await client.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT", body: bytes });
    t.equal(refused.status, 507);
    t.equal(ociError(refused).code, "STORAGE_IO");
    t.match(ociError(refused).message, /full/);
    t.notMatch(refused.body.toString(), storage, "no path is told");
    t.same((await client.request(`/v2/${name}/manifests/1`)).body, image.bytes);
    t.equal((await client.request(`/v2/${name}/blobs/${digestOf(bytes)}`)).status, 404);
    await client.request(`/v2/${name}/blobs/${ballast}`, { method: "DELETE" });
    await client.request(location, { method: "DELETE" });
    const { hosted, stop: stopCollector } = await startBare({ storage });
    await hosted.gc(new AbortController().signal);
    await stopCollector();
    t.equal(await client.pushBlob(name, bytes), digestOf(bytes));
  },
);

t.test(
  "a chunk that the disk did not take is not counted, and the upload goes on from what it took",
  { skip: cannotMount },
  async (t) => {
    const storage = new SmallDisk(t, 6 * MiB).cache;
    const { client, stop } = await startBare({ storage });
    t.teardown(stop);
    const ballast = await client.pushBlob(name, randomBytes(4 * MiB));
    const bytes = randomBytes(3 * MiB);
    const location = await client.begin(name);
    t.equal((await client.request(location, { method: "PATCH", body: bytes.subarray(0, MiB) })).status, 202);
    const rest = { "content-range": `${MiB}-${bytes.length - 1}` };
    t.equal(
      (await client.request(location, { method: "PATCH", headers: rest, body: bytes.subarray(MiB) })).status,
      507,
    );
    const there = Number(String((await client.request(location)).headers["range"]).slice(2)) + 1;
    t.ok(there >= MiB && there < bytes.length, `${there} bytes are there`);
    await client.request(`/v2/${name}/blobs/${ballast}`, { method: "DELETE" });
    const { hosted, stop: stopCollector } = await startBare({ storage });
    await hosted.gc(new AbortController().signal);
    await stopCollector();
    const headers = { "content-range": `${there}-${bytes.length - 1}` };
    t.equal((await client.request(location, { method: "PATCH", headers, body: bytes.subarray(there) })).status, 202);
    t.equal((await client.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" })).status, 201);
    t.ok((await client.request(`/v2/${name}/blobs/${digestOf(bytes)}`)).body.equals(bytes));
  },
);

t.test(
  "uploads on another file system are copied into the storage, and nothing of them is left there",
  { skip: cannotMount },
  async (t) => {
    const storage = temporary(t);
    const uploads = new SmallDisk(t, 8 * MiB).cache;
    const { client, stop } = await startBare({ storage, uploads });
    t.teardown(stop);
    for (const size of [3 * MiB, 3 * MiB, 3 * MiB]) {
      const bytes = randomBytes(size);
      const digest = await client.pushBlob(name, bytes);
      t.ok((await client.request(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
    }
    t.same(readdirSync(uploads), []);
    t.notOk(readdirSync(storage).includes("uploads"));
  },
);

t.test(
  "a storage that became read-only serves what it has, and refuses pushes by name",
  { skip: cannotMount },
  async (t) => {
    const disk = new SmallDisk(t, 6 * MiB);
    const { client, stop } = await startBare({ storage: disk.cache });
    t.teardown(stop);
    const image = await client.pushImage(name, "1");
    await disk.remount("ro");
    t.same((await client.request(`/v2/${name}/manifests/1`)).body, image.bytes);
    for (const method of ["HEAD", "GET"]) {
      t.equal((await client.request(`/v2/${name}/blobs/${image.blobs[1]}`, { method })).status, 200, method);
    }
    const posted = await client.request(`/v2/${name}/blobs/uploads/`, { method: "POST" });
    t.equal(posted.status, 500);
    t.match(ociError(posted), { code: "STORAGE_IO", message: /EROFS/ });
    t.equal((await client.putManifest(name, "2", imageManifest(Buffer.from("a"), []))).status, 404);
    t.equal((await client.putManifest(name, "2", image.bytes)).status, 500);
    await disk.remount("rw");
    t.equal((await client.putManifest(name, "2", image.bytes)).status, 201);
  },
);
