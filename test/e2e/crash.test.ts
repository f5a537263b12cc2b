import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { lives } from "../../src/cache/process.ts";
import { testAuthority } from "../fixtures/certificates.ts";
import { ProxyClient } from "../fixtures/proxy-client.ts";
import { startRegistry, uniqueBytes } from "../fixtures/registry.ts";
import type { Content } from "../fixtures/synthetic-blob.ts";
import { randomOf } from "../fixtures/random.ts";
import { ownEnvironment } from "./machine/environment.ts";
import { processesOf } from "./machine/processes.ts";

const main = resolve(import.meta.dirname, "../../src/main.ts");
const hub = "registry-1.docker.io";
/** CRASH_ROUNDS=100 is what a release is to survive. */
const rounds = Number(process.env["CRASH_ROUNDS"] ?? 20);
/** Milliseconds. */
const longestLife = 400;
const seed = process.env["CRASH_SEED"] ?? String(Date.now());
const random = randomOf(seed);

interface Life {
  readonly child: ChildProcess;
  readonly client: ProxyClient;
}

async function live(directory: string, env: Record<string, string>): Promise<Life> {
  // Not even a run that is itself killed leaves one behind.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", process.execPath, main], {
    env,
    cwd: directory,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const port = Promise.withResolvers<number>();
  createInterface(child.stdout).on("line", (line) => {
    const { event, listening } = JSON.parse(line) as { event?: string; listening?: { port: number }[] };
    if (event === "listening") port.resolve(listening?.[0]?.port ?? 0);
  });
  child.once("exit", (code, signal) => port.reject(new Error(`It ended before it listened: ${code ?? signal}`)));
  const proxyPort = await port.promise;
  const caPem = readFileSync(join(directory, "ca", "ca.crt"), "utf8");
  return { child, client: new ProxyClient({ proxyPort, caPem, host: hub }) };
}

async function end({ child, client }: Life, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  const processes = processesOf(child.pid ?? 0);
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
  // Workers see that their primary is gone, and end: what they hold till then is theirs.
  for (const pid of processes) while (await lives(pid)) await delay(5);
  client.close();
}

const path = ({ digest }: Content): string => `/v2/library/app/blobs/${digest}`;

t.setTimeout(600_000);

t.test(`a proxy that is killed ${rounds} times at random moments of its fills`, { timeout: 600_000 }, async (t) => {
  t.comment(`CRASH_SEED=${seed}`);
  const directory = mkdtempSync(join(tmpdir(), "entrepot-crash-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const registry = await startRegistry(t, { names: [hub] });
  const roots = join(directory, "roots.pem");
  writeFileSync(roots, testAuthority().caPem);
  const env = ownEnvironment(directory, {
    HOST: "127.0.0.1",
    PORT: "0",
    CA_DIR: join(directory, "ca"),
    CACHE_DIR: join(directory, "cache"),
    UPSTREAM_CA_FILE: roots,
    HOST_MAP: registry.hostMap.join(" "),
    LOG_FORMAT: "json",
  });
  const image = registry.image({ repository: "library/app", tag: "1", layers: [uniqueBytes(500_000)] });
  const blobs: Content[] = [];
  let wrong = 0;
  const check = async (client: ProxyClient, blob: Content): Promise<string> => {
    const { digest, status, cache } = await client.hash(path(blob));
    if (digest !== blob.digest || status !== 200) wrong += 1;
    return cache;
  };
  for (let round = 0; round < rounds; round += 1) {
    const life = await live(directory, env);
    for (const blob of blobs.slice(-3)) await check(life.client, blob);
    if (round % 5 === 0) t.equal((await life.client.pull("library/app", "1")).digest, image.digest);
    // What is cut by the kill itself is no wrong answer: its client sees the cut.
    const pulls = Array.from({ length: 6 }, async () => {
      const blob = registry.blob("library/app", uniqueBytes(Math.floor(random() ** 2 * 12_000_000)));
      blobs.push(blob);
      await check(life.client, blob).catch(() => undefined);
    });
    await Promise.race([Promise.all(pulls), delay(random() * longestLife)]);
    await end(life, "SIGKILL");
    await Promise.all(pulls);
  }
  t.equal(wrong, 0, "nothing wrong was served");

  const last = await live(directory, env);
  t.same(readdirSync(join(directory, "cache", "tmp")), [], "nothing is left over");
  const served: string[] = [];
  for (const blob of blobs) served.push(await check(last.client, blob));
  t.equal(wrong, 0, "all that there is is right");
  const hits = served.filter((cache) => cache === "HIT").length;
  t.ok(hits > 0 && hits < blobs.length, `${hits} of ${blobs.length} had landed before a kill`);
  await end(last, "SIGTERM");
  const verified = spawnSync(process.execPath, [main, "verify"], { env, cwd: directory, encoding: "utf8" });
  t.equal(verified.status, 0, verified.stdout);
});
