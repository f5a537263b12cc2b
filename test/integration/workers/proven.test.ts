import { statSync, utimesSync } from "node:fs";
import t from "tap";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { fileOf, flip } from "../cache/files.ts";
import { crewStage, eventually } from "./crew.ts";

t.test(
  "large content that one worker has compared with its digest is not hashed again by another, or after a reload",
  async (t) => {
    const { registry, proxy, process: crew, clients } = await crewStage(t);
    const blob = registry.blob("library/app", uniqueBytes(300_000));
    const path = `/v2/library/app/blobs/${blob.digest}`;
    const [first] = clients(1);
    t.equal((await first?.hash(path))?.digest, blob.digest);
    const file = fileOf(proxy, blob);
    // Changed in a way that no stamp of the file tells: who hashes it would notice, and fetch it anew.
    flip(file, 200_000);
    utimesSync(file, 1_700_000_000, 1_700_000_000);
    for (const client of clients(6)) t.equal((await client.hash(path)).cache, "HIT", "at either worker");
    const before = new Set(crew.workers());
    crew.child.kill("SIGHUP");
    await eventually(() => crew.workers().length === 2 && crew.workers().every((pid) => !before.has(pid)));
    for (const client of clients(4)) t.equal((await client.hash(path)).cache, "HIT", "at either new one");
    t.equal(registry.count({ kind: "blob", method: "GET" }), 1);

    // A change that shows is looked into.
    const { atime, mtimeMs } = statSync(file);
    utimesSync(file, atime, mtimeMs / 1000 + 0.5);
    t.equal((await clients(1)[0]?.hash(path))?.digest, blob.digest);
    t.equal(registry.count({ kind: "blob", method: "GET" }), 2);
  },
);
