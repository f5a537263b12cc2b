import { randomBytes } from "node:crypto";
import type { TLSSocket } from "node:tls";
import t from "tap";
import type { HotAsk, HotLook } from "../../../src/serve/hot.ts";
import { bodyOf, converse, dialConnect, type Rig, type RigOptions, secure, startRig } from "./rig.ts";

const facts = {
  kind: "manifest",
  repository: "app",
  reference: "1",
  cache: "HIT",
  tier: "manifest-primary",
} as const;

/** Whatever begins with /hot is in memory. */
function hotIn(asks: HotAsk[], body: Buffer = Buffer.from("from memory")): HotLook {
  return (ask) => {
    asks.push(ask);
    if (!ask.target.startsWith("/hot")) return undefined;
    const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n`;
    return { head, body: ask.method === "HEAD" ? undefined : body, facts };
  };
}

const get = (path: string, more = ""): string => `GET ${path} HTTP/1.1\r\nHost: registry.test\r\n${more}\r\n`;

async function connected(rig: Rig): Promise<TLSSocket> {
  return await secure(await dialConnect(rig.port, "registry.test:443"));
}

async function laneRig(t: Parameters<typeof startRig>[0], given: RigOptions = {}, body?: Buffer) {
  const asks: HotAsk[] = [];
  const rig = await startRig(t, { ...given, parts: { hot: hotIn(asks, body), ...given.parts } });
  return { rig, asks, client: converse(await connected(rig)) };
}

t.test("a hit is answered from memory, with its own line and the connection's fields", async (t) => {
  const { rig, asks, client } = await laneRig(t, { timeouts: { keepAlive: 7000 } });
  client.send(get("/hot/1", "Accept: a/b\r\n"));
  const answer = await client.until(/from memory$/);
  t.match(
    answer,
    /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/plain\r\ncontent-length: 11\r\nDate: [^\r]+ GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=7\r\n\r\n/,
  );
  t.match(asks, [{ method: "GET", target: "/hot/1", origin: { name: "registry.test" }, headers: { accept: "a/b" } }]);
  const trace = await rig.recorded();
  t.match(trace, {
    ...facts,
    door: "connect",
    client: "127.0.0.1",
    method: "GET",
    path: "/hot/1",
    origin: "registry.test",
    status: 200,
    bytes: 11,
    firstByte: Number,
    lastByte: Number,
  });
  t.ok((trace.lastByte ?? 0) >= (trace.firstByte ?? 0));
  client.send("HEAD /hot/1 HTTP/1.1\r\nHost: registry.test\r\n\r\n");
  t.match(await client.until(/\r\n\r\nfrom memoryHTTP[^]*\r\n\r\n$/), /content-length: 11/);
  t.notOk("bytes" in (await rig.recorded(2)));
  t.equal(rig.exchanges.length, 0);
});

t.test("what is not in memory goes to the handler, and the next hit is answered from memory again", async (t) => {
  const { rig, client } = await laneRig(t);
  for (const round of [1, 2, 3]) {
    client.send(get("/cold"));
    await client.until(new RegExp(`^(?:[^]*?"target":"/cold"[^]*?\r\n0\r\n\r\n(?:HTTP[^]*?from memory)?){${round}}$`));
    client.send(get("/hot"));
    await client.until(new RegExp(`(?:from memory[^]*){${round}}$`));
    t.equal(rig.exchanges.length, round);
    t.equal(rig.records.length, round);
  }
  t.equal(rig.listener.connections(), 1);
});

t.test("a request in pieces, two in one, and one with a body are read as ever", async (t) => {
  for (const hits of [0, 1]) {
    const { rig, client } = await laneRig(t);
    const begin = async (): Promise<string> => {
      if (hits === 0) return "";
      client.send(get("/hot"));
      return await client.until(/from memory$/);
    };
    const before = await begin();
    client.send(get("/hot/a").slice(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.send(get("/hot/a").slice(20));
    await client.until(/"target":"\/hot\/a"[^]*0\r\n\r\n$/);
    client.send(get("/hot/b") + get("/hot/c"));
    await client.until(/"target":"\/hot\/b"[^]*"target":"\/hot\/c"[^]*0\r\n\r\n$/);
    client.send(`PUT /d HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 3\r\n\r\nabc${get("/hot/e")}`);
    const all = await client.until(/"target":"\/d"[^]*"body":"abc"[^]*"target":"\/hot\/e"[^]*0\r\n\r\n$/);
    t.equal(all.slice(before.length).split("HTTP/1.1 200").length - 1, 5);
    t.equal(rig.exchanges.length, 5);
    t.equal(rig.records.length, hits);
  }
});

/** Whatever begins with /disk is brought into memory when it is let; /disk/gone is not there. */
async function diskRig(t: Parameters<typeof startRig>[0], given: RigOptions = {}) {
  const waiting: (() => void)[] = [];
  const memory = hotIn([]);
  const hot: HotLook = async (ask) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return ask.target === "/disk/gone" ? undefined : memory({ ...ask, target: "/hot" });
  };
  const parts = { hot: (ask: HotAsk) => (ask.target.startsWith("/disk") ? hot(ask) : memory(ask)), ...given.parts };
  const rig = await startRig(t, { ...given, parts });
  const letOne = async (): Promise<void> => {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    waiting.shift()?.();
  };
  return { rig, waiting, letOne, client: converse(await connected(rig)) };
}

t.test("what is brought into memory first is answered then, or goes to the handler", async (t) => {
  const { rig, letOne, client } = await diskRig(t);
  for (const round of [1, 2]) {
    client.send(get("/disk/1"));
    await letOne();
    await client.until(new RegExp(`(?:from memory[^]*){${round * 2 - 1}}$`));
    client.send(get("/disk/gone"));
    await letOne();
    await client.until(new RegExp(`(?:"target":"/disk/gone"[^]*){${round}}0\r\n\r\n$`));
    client.send(get("/hot"));
    await client.until(new RegExp(`(?:from memory[^]*){${round * 2}}$`));
    t.equal(rig.exchanges.length, round);
  }
});

t.test("what is asked while another is brought into memory is answered after it", async (t) => {
  const { rig, waiting, letOne, client } = await diskRig(t);
  client.send(get("/disk/1"));
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  client.send(get("/hot/a"));
  client.send(get("/hot/b").slice(0, 20));
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(rig.exchanges.length, 0);
  await letOne();
  client.send(get("/hot/b").slice(20));
  t.match(
    await client.until(/"target":"\/hot\/b"[^]*0\r\n\r\n$/),
    /^HTTP[^]*from memoryHTTP[^]*"target":"\/hot\/a"[^]*HTTP/,
  );
});

t.test("who leaves while it is brought costs nothing, and a stop waits for it", async (t) => {
  const { rig, waiting, letOne, client } = await diskRig(t);
  client.send(get("/disk/1"));
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  client.socket.destroy();
  while (rig.listener.connections() > 0) await new Promise((resolve) => setImmediate(resolve));
  await letOne();
  const other = converse(await connected(rig));
  other.send(get("/disk/2"));
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const stopped = rig.listener.stop("drain", 10_000);
  await letOne();
  t.match(await other.ended, /from memory$/);
  await stopped;
  t.match(rig.records, [
    { path: "/disk/1", ...facts, error: "CANCELLED" },
    { path: "/disk/2", ...facts, status: 200 },
  ]);
  t.equal(rig.records.length, 2);
});

t.test("a large body arrives as it was sent, after hits and before them", async (t) => {
  const body = randomBytes(5_000_000);
  const sums: string[] = [];
  const { client } = await laneRig(t, {
    parts: {
      registry: async ({ request, response }) => {
        const pieces = (await request.toArray()) as Buffer[];
        sums.push(Buffer.concat(pieces).toString("base64"));
        response.end("taken");
      },
    },
  });
  for (const round of [1, 2]) {
    client.send(get("/cold"));
    await client.until(new RegExp(`(?:taken[^]*){${round * 2 - 1}}$`));
    client.send(`PUT /d HTTP/1.1\r\nHost: registry.test\r\nContent-Length: ${body.length}\r\n\r\n`);
    for (let at = 0; at < body.length; at += 40_001) client.send(body.subarray(at, at + 40_001));
    await client.until(new RegExp(`(?:taken[^]*){${round * 2}}$`));
  }
  t.same(
    sums.map((sum) => sum === body.toString("base64")),
    [false, true, false, true],
  );
});

t.test("a piece of the next request that comes while the handler is at work is not lost", async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { rig, client } = await laneRig(t, {
    parts: {
      registry: async ({ response, arrival }) => {
        await released;
        response.end(`answered ${arrival.target}`);
      },
    },
  });
  client.send(get("/cold"));
  while (rig.listener.connections() === 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
  client.send(get("/hot").slice(0, 9));
  client.send(get("/hot").slice(9));
  await new Promise((resolve) => setTimeout(resolve, 20));
  release();
  t.match(await client.until(/answered \/hot/), /answered \/cold[^]*answered \/hot/);
});

t.test("another host is misdirected, an Upgrade and a CONNECT are what they were, after hits too", async (t) => {
  const { rig, client } = await laneRig(t);
  client.send(get("/hot"));
  await client.until(/from memory$/);
  client.send("GET /hot HTTP/1.1\r\nHost: other.test\r\n\r\n");
  await client.until(/ 421 [^]*MISDIRECTED[^]*\}/);
  client.send(get("/hot", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  t.match(bodyOf((await client.until(/"target":"\/hot"[^]*0\r\n\r\n$/)).split("HTTP/1.1").at(-1) ?? ""), {
    name: "registry",
  });
  client.send("CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n");
  t.match(await client.ended, / 405 [^]*METHOD_NOT_ALLOWED/);
  await rig.stillServes();
});

t.test("a client that closes its half is closed, one that asked before that is answered", async (t) => {
  const idle = await laneRig(t);
  idle.client.socket.end();
  await idle.client.ended;
  const { rig, client } = await laneRig(t);
  client.send(get("/hot"));
  client.socket.end();
  t.match(await client.ended, /from memory$/);
  t.match(await rig.recorded(), { status: 200 });
  while (rig.listener.connections() > 0) await new Promise((resolve) => setImmediate(resolve));
  t.notOk("error" in (rig.records[0] ?? {}));
});

t.test("timeouts: nothing asked, nothing more asked, and an answer that is not taken", async (t) => {
  const silent = await laneRig(t, { timeouts: { clientHeader: 100 } });
  t.equal(await silent.client.ended, "");
  const idle = await laneRig(t, { timeouts: { keepAlive: 100 } });
  idle.client.send(get("/hot"));
  t.match(await idle.client.ended, /from memory$/);
  const stuck = await laneRig(t, { timeouts: { keepAlive: 50, send: 100 } }, Buffer.alloc(32 * 1024 * 1024));
  stuck.client.socket.pause();
  stuck.client.send(get("/hot"));
  t.match(await stuck.rig.recorded(), { status: 200, error: "CANCELLED" });
  stuck.client.socket.destroy();
  await stuck.rig.stillServes();
});

t.test("where connections are not kept, the lane is not there", async (t) => {
  const { rig, client } = await laneRig(t, { timeouts: { keepAlive: 0 } });
  client.send(get("/hot"));
  t.match(await client.ended, /Connection: close/);
  t.equal(rig.exchanges.length, 1);
});

t.test("drain closes what is idle, lets an answer end, and takes no new request", async (t) => {
  // More than the kernel holds for a client that does not read.
  const size = 24 * 1024 * 1024;
  const { rig, asks, client } = await laneRig(t, {}, Buffer.alloc(size, "x"));
  const idle = converse(await connected(rig));
  idle.send("HEAD /hot HTTP/1.1\r\nHost: registry.test\r\n\r\n");
  await idle.until(/\r\n\r\n$/);
  await rig.recorded(1);
  client.socket.pause();
  client.send(get("/hot"));
  while (asks.length < 2) await new Promise((resolve) => setImmediate(resolve));
  t.equal(rig.records.length, 1, "the other answer is on its way");
  const stopped = rig.listener.stop("drain", 60_000);
  await idle.ended;
  client.socket.resume();
  t.match((await client.ended).slice(-1000), /^x{1000}$/);
  await stopped;
  t.match(rig.records[1], { bytes: size, status: 200 });
  t.notOk(rig.records[1]?.error);
});
