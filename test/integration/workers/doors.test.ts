import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { gate } from "../../fixtures/gate.ts";
import { ProxyProcess } from "../../fixtures/proxy-process.ts";
import { type RunningProxy, startProxy } from "../../fixtures/proxy.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { crewStage, eventually, workerOf } from "./crew.ts";

/** A proxy of several workers with a file that configures it. */
async function configured(t: Test, text: string) {
  const directory = mkdtempSync(join(tmpdir(), "entrepot-doors-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "entrepot.yaml");
  writeFileSync(file, text);
  const proxy = await startProxy(t, { directory, env: { WORKERS: "", CONFIG: file } });
  const { end } = proxy;
  if (!(end instanceof ProxyProcess)) throw new Error("It is one process.");
  return { proxy, end, file };
}

/** Asks on a connection of its own. Resolves with the status, or with the error's code. */
async function ask({ port }: RunningProxy): Promise<number | string | undefined> {
  const asked = request({ host: "127.0.0.1", port, path: "/healthz", agent: false });
  asked.end();
  return await new Promise((resolve) => {
    asked.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    asked.on("response", (answer) => {
      answer.resume();
      answer.on("close", () => resolve(answer.complete ? answer.statusCode : "cut"));
    });
  });
}

const answers = async (proxy: RunningProxy, count: number): Promise<unknown[]> => [
  ...new Set(await Promise.all(Array.from({ length: count }, () => ask(proxy)))),
];

async function reload(proxy: RunningProxy, end: ProxyProcess): Promise<void> {
  const count = (): number => proxy.logLines.filter(({ event }) => event === "reloaded").length;
  const before = count();
  process.kill(end.pid, "SIGHUP");
  await eventually(() => count() > before);
}

t.test("connections are spread over the workers", async (t) => {
  const { proxy, process: crew } = await crewStage(t, { workers: 3 });
  const sockets = Array.from({ length: 96 }, () => connect(proxy.port, "127.0.0.1"));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const counts = new Map<number, number>();
  const note = async (socket: Socket): Promise<void> => {
    const pid = await workerOf(crew, socket);
    counts.set(pid, (counts.get(pid) ?? 0) + 1);
  };
  await Promise.all(sockets.map(note));
  t.equal(counts.size, 3);
  // By chance it is less once in two million times.
  for (const count of counts.values()) t.ok(count > 10, String(count));
});

t.test("reloads of more and fewer workers lose no connection of a crowd that never stops coming", async (t) => {
  const { proxy, end, file } = await configured(t, "workers: 2\n");
  const over = new AbortController();
  const crowd = Array.from({ length: 24 }, async () => {
    const seen = new Set<unknown>();
    while (!over.signal.aborted) seen.add(await ask(proxy));
    return [...seen];
  });
  for (const workers of [3, 2, 2]) {
    writeFileSync(file, `workers: ${workers}\n`);
    await reload(proxy, end);
    await eventually(() => end.workers().length === workers);
  }
  over.abort();
  t.same(new Set((await Promise.all(crowd)).flat()), new Set([200]));
  // One has all the queues that there were.
  writeFileSync(file, "workers: 1\n");
  await reload(proxy, end);
  t.same(await answers(proxy, 64), [200]);
});

t.test(
  "who would have been a killed worker's is served by the others, whether or not another takes its place",
  async (t) => {
    const { proxy, end, file } = await configured(t, "workers: 2\n");
    // From now on none can start.
    writeFileSync(file, "workers: perhaps\n");
    const [victim = 0] = end.workers();
    process.kill(victim, "SIGSTOP");
    const waiting = Array.from({ length: 64 }, () => ask(proxy));
    const answered = await Promise.any(waiting);
    t.equal(answered, 200, "the other one answers");
    process.kill(victim, "SIGKILL");
    await eventually(() => !end.workers().includes(victim));
    t.same(await answers(proxy, 64), [200], "who comes then");
    t.same(new Set(await Promise.all(waiting)), new Set([200]), "and who waited in its queue");
  },
);

t.test("a port that several workers listen on is taken, for another instance as well", async (t) => {
  const { proxy } = await crewStage(t);
  const env = { WORKERS: "2", PORT: String(proxy.port) };
  await t.rejects(startProxy(t, { env }), { code: "CONFIG_INVALID", message: /PORT: \d+ on 127\.0\.0\.1 is taken/ });
});

t.test("while workers end what they have, new connections are refused rather than left to wait", async (t) => {
  const { proxy, registry, process: crew, clients } = await crewStage(t);
  const blob = registry.blob("library/app", uniqueBytes(300_000));
  const rest = gate();
  registry.fault({ reference: blob.digest, method: "GET" }, { stall: { after: 100_000, until: rest } }, 1);
  const pull = clients(1)[0]?.hash(`/v2/library/app/blobs/${blob.digest}`);
  await registry.seen({ reference: blob.digest, method: "GET" });
  const stopped = crew.stop("drain");
  await eventually(async () => (await ask(proxy)) === "ECONNREFUSED");
  rest.open();
  t.equal((await pull)?.digest, blob.digest);
  await stopped;
});
