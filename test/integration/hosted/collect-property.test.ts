import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { asEntrepotError } from "../../../src/core/errors.ts";
import { ociError } from "../stage.ts";
import { type Bare, startBare } from "./bare.ts";
import { digestOf, imageManifest, type RegistryClient } from "./client.ts";

/** Few, so that many pushes want what others, and the collector, have just let go. */
const contents = Array.from({ length: 5 }, (_, number) => Buffer.alloc(3000 + number, `content ${number} `));
const repositories = ["team/one", "team/two"];

interface Step {
  /** push: blobs that are not there, as `HEAD` says, then a manifest. delete: a manifest that this pusher pushed. */
  readonly act: "push" | "delete";
  readonly repository: number;
  /** Of the contents; the first is the config. */
  readonly blobs: readonly number[];
  /** Whether blobs are mounted from the other repository where they can be. */
  readonly mounts: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom<Step["act"]>("push", "push", "delete"),
  repository: fc.nat({ max: repositories.length - 1 }),
  blobs: fc.uniqueArray(fc.nat({ max: contents.length - 1 }), { minLength: 1, maxLength: 4 }),
  mounts: fc.boolean(),
});

interface Kept {
  readonly repository: string;
  readonly digest: string;
  readonly blobs: readonly Buffer[];
}

/** Ensures a blob as clients do. */
async function ensure(client: RegistryClient, repository: string, bytes: Buffer, mounts: boolean): Promise<void> {
  const digest = digestOf(bytes);
  const { status } = await client.request(`/v2/${repository}/blobs/${digest}`, { method: "HEAD" });
  if (status === 200) return;
  if (mounts) {
    const from = repositories.find((other) => other !== repository) ?? "";
    const path = `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${from}`;
    if ((await client.request(path, { method: "POST" })).status === 201) return;
  }
  await client.pushBlob(repository, bytes);
}

/** Pushers that lost against a collector without pause again and again; it waits for them. */
const starving = new Set<string>();
const patience = 4;

async function push(client: RegistryClient, one: Step, tag: string): Promise<Kept> {
  let tries = 0;
  try {
    for (;;) {
      tries += 1;
      if (tries === patience) starving.add(tag);
      const kept = await tryPush(client, one, tag);
      if (kept !== undefined) return kept;
    }
  } finally {
    starving.delete(tag);
  }
}

/** Undefined where the collector was faster: without grace a blob that nothing refers to yet may go at any time, and the client is told. */
async function tryPush(
  client: RegistryClient,
  { repository, blobs, mounts }: Step,
  tag: string,
): Promise<Kept | undefined> {
  const name = repositories[repository] ?? "";
  const bytes = blobs.map((number) => contents[number] ?? Buffer.alloc(0));
  const manifest = { ...imageManifest(bytes[0] ?? Buffer.alloc(0), bytes.slice(1)), annotations: { tag } };
  for (const blob of bytes) await ensure(client, name, blob, mounts);
  const put = await client.putManifest(name, tag, manifest);
  if (put.status === 201) {
    return { repository: name, digest: String(put.headers["docker-content-digest"]), blobs: bytes };
  }
  if (ociError(put).code !== "MANIFEST_BLOB_UNKNOWN") throw new Error(put.body.toString());
  return undefined;
}

async function expectKept(client: RegistryClient, { repository, digest, blobs }: Kept): Promise<void> {
  const manifest = await client.request(`/v2/${repository}/manifests/${digest}`);
  if (manifest.status !== 200 || digestOf(manifest.body) !== digest) throw new Error(`${digest}: ${manifest.status}`);
  for (const bytes of blobs) {
    const blob = await client.request(`/v2/${repository}/blobs/${digestOf(bytes)}`);
    if (!blob.body.equals(bytes)) throw new Error(`A blob of an accepted manifest was answered with ${blob.status}.`);
  }
}

async function runPusher(client: RegistryClient, steps: readonly Step[], who: string): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const [index, one] of steps.entries()) {
    if (one.act === "push") kept.push(await push(client, one, `${who}-${index}`));
    else {
      const last = kept.pop();
      if (last === undefined) continue;
      const path = `/v2/${last.repository}/manifests/${last.digest}`;
      const { status } = await client.request(path, { method: "DELETE" });
      if (status !== 202) throw new Error(`DELETE was answered with ${status}.`);
    }
    for (const image of kept) await expectKept(client, image);
  }
  return kept;
}

async function collectUntil({ hosted }: Bare, signal: AbortSignal): Promise<number> {
  let rounds = 0;
  while (!signal.aborted) {
    try {
      await hosted.gc(new AbortController().signal);
      rounds += 1;
    } catch (error) {
      if (asEntrepotError(error).code !== "STORAGE_BUSY") throw error;
    }
    do await new Promise((resolve) => setImmediate(resolve));
    while (starving.size > 0);
  }
  return rounds;
}

/** Lets them push while it is collected; gives the number of collections, and the blobs that are left and those that are wanted. */
async function race(pushers: readonly (readonly Step[])[]): Promise<{ rounds: number; left: number; wanted: number }> {
  const storage = mkdtempSync(join(tmpdir(), "entrepot-collect-"));
  // Another process's collector, as far as files go.
  const [serving, collecting] = await Promise.all([startBare({ storage }), startBare({ storage })]);
  const over = new AbortController();
  const collector = collectUntil(collecting, over.signal);
  try {
    const all = await Promise.all(pushers.map((steps, index) => runPusher(serving.client, steps, `p${index}`)));
    over.abort();
    const rounds = await collector;
    await collecting.hosted.gc(new AbortController().signal);
    const kept = all.flat();
    for (const image of kept) await expectKept(collecting.client, image);
    const wanted = new Set(kept.flatMap(({ blobs }) => blobs.map((bytes) => digestOf(bytes))));
    const { kept: left } = await collecting.hosted.gc(new AbortController().signal);
    return { rounds, left, wanted: wanted.size };
  } finally {
    over.abort();
    await collector.catch(() => undefined);
    await Promise.all([serving.stop(), collecting.stop()]);
    rmSync(storage, { recursive: true, force: true });
  }
}

t.setTimeout(60_000);

/** COLLECT_RUNS=60 is a minute's. */
const runs = Number(process.env["COLLECT_RUNS"] ?? 2);

t.test(
  "whatever is pushed, mounted and deleted while the collector runs without grace, no accepted manifest lacks anything",
  async (t) => {
    let collections = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 3 }),
        async (pushers) => {
          const { rounds, left, wanted } = await race(pushers);
          collections += rounds;
          return left === wanted;
        },
      ),
      { numRuns: runs, endOnFailure: true },
    );
    t.comment(`${collections} collections`);
    t.ok(collections > 0);
  },
);
