import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Test } from "tap";
import { startBare } from "./bare.ts";
import { type Accepted, blobA, blobB, first, name, second } from "./crash-scenario.ts";
import { digestOf, type RegistryClient } from "./client.ts";

const signal = new AbortController().signal;

interface Outcome {
  readonly killed: boolean;
  readonly accepted: readonly Accepted[];
}

async function runUntil(storage: string, operation: number): Promise<Outcome> {
  const driver = join(import.meta.dirname, "crash-driver.ts");
  const child = spawn(process.execPath, [driver, storage, String(operation)], { stdio: ["ignore", "pipe", "inherit"] });
  const accepted: Accepted[] = [];
  const reader = createInterface(child.stdout).on("line", (line) => accepted.push(JSON.parse(line) as Accepted));
  await Promise.all([once(reader, "close"), once(child, "exit")]);
  if (child.exitCode !== 0 && child.signalCode !== "SIGKILL") throw new Error("It failed before it was killed.");
  return { killed: child.signalCode === "SIGKILL", accepted };
}

/** All files of the content hash to their names. */
function rottenBlobs(storage: string): string[] {
  const root = join(storage, "blobs");
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .filter(({ parentPath, name: file }) => {
      const hash = createHash("sha256").update(readFileSync(join(parentPath, file)));
      return hash.digest("hex") !== file.replace(".gone", "");
    })
    .map(({ name: file }) => file);
}

/** What does not hold of what was accepted. */
async function broken(client: RegistryClient, accepted: readonly Accepted[]): Promise<string[]> {
  const problems: string[] = [];
  const expect = async (path: string, digest: string | undefined): Promise<void> => {
    const { status, body } = await client.request(path);
    const right = digest === undefined ? status === 404 : status === 200 && digestOf(body) === digest;
    if (!right) problems.push(`${path}: ${status}`);
  };
  const tags = new Map<string, string | undefined>();
  for (const entry of accepted) {
    if (entry.what === "blob") await expect(`/v2/${entry.name}/blobs/${entry.digest}`, entry.digest);
    if (entry.what === "manifest") tags.set(entry.tag, entry.digest);
    if (entry.what === "untagged") tags.set(entry.tag, undefined);
    if (entry.what === "deleted") await expect(`/v2/${name}/manifests/${entry.digest}`, undefined);
  }
  for (const [tag, digest] of tags) {
    // A tag that was being moved when the end came is the old one or the new one.
    const { status, body } = await client.request(`/v2/${name}/manifests/${tag}`);
    const now = status === 200 ? digestOf(body) : undefined;
    const next = tag === "latest" ? digestOf(second) : undefined;
    if (now !== digest && now !== next) problems.push(`${tag}: ${status} ${now} instead of ${digest}`);
  }
  for (const digest of [first, second].map((bytes) => digestOf(bytes))) {
    if (!accepted.some((entry) => entry.what === "manifest" && entry.digest === digest)) continue;
    await expect(`/v2/${name}/manifests/${digest}`, digest);
    for (const blob of [blobA, blobB]) await expect(`/v2/${name}/blobs/${digestOf(blob)}`, digestOf(blob));
  }
  if (accepted.some((entry) => entry.what === "manifest" && entry.digest === digestOf(second))) {
    const { body } = await client.request(`/v2/${name}/referrers/${digestOf(first)}`);
    if (!body.toString().includes(digestOf(second))) problems.push("the referrer is not listed");
  }
  return problems;
}

/** Goes on with the upload where it had got to. */
async function resume(client: RegistryClient, accepted: readonly Accepted[]): Promise<string | undefined> {
  const began = accepted.find((entry) => entry.what === "began");
  if (began?.what !== "began" || accepted.some(({ what }) => what === "blob")) return undefined;
  const { status, headers } = await client.request(began.location);
  // Whether its blob was taken over before the end is not known to the client; it pushes it again.
  if (status === 404) return (await client.pushBlob(name, blobA)) === digestOf(blobA) ? undefined : "not pushed again";
  const end = Number(String(headers["range"]).slice(2));
  const offset = end === 0 ? 0 : end + 1;
  const received = accepted.reduce((most, entry) => (entry.what === "received" ? entry.bytes : most), 0);
  if (offset < received) return `${offset} of ${received} bytes are left`;
  const rest = { "content-range": `${offset}-${blobA.length - 1}` };
  const body = blobA.subarray(offset);
  if (body.length > 0) await client.request(began.location, { method: "PATCH", headers: rest, body });
  const put = await client.request(`${began.location}?digest=${digestOf(blobA)}`, { method: "PUT" });
  return put.status === 201 ? undefined : `it ended with ${put.status}`;
}

/**
 * Lets a driver run on a storage until it is killed before its n-th operation, and looks at what it left. False where it came to its end before.
 */
export async function survives(t: Test, storage: string, operation: number): Promise<boolean> {
  const { killed, accepted } = await runUntil(storage, operation);
  const last = accepted.at(-1)?.what ?? "nothing";
  const when = `operation ${operation}, after: ${last}`;
  const { client, hosted, stop } = await startBare({ storage });
  t.same(await broken(client, accepted), [], when);
  t.equal(await resume(client, accepted), undefined, when);
  await hosted.gc(signal);
  t.same(
    await broken(
      client,
      accepted.filter(({ what }) => what !== "blob"),
    ),
    [],
    `${when}, collected`,
  );
  t.same(rottenBlobs(storage), [], when);
  await stop();
  const later = await startBare({ storage, uploadTtl: 0, clock: { now: () => Date.now() + 48 * 3_600_000 } });
  await later.hosted.gc(signal);
  await later.stop();
  t.same(readdirSync(join(storage, "uploads")), [], `${when}: no upload is left`);
  const drafts = join(storage, "drafts");
  t.same(existsSync(drafts) ? readdirSync(drafts) : [], [], `${when}: no draft is left`);
  return killed;
}
