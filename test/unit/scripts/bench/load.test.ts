import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Target } from "../../../../scripts/bench/contenders/contender.ts";
import { idle } from "../../../../scripts/bench/load/idle.ts";
import { pullImage } from "../../../../scripts/bench/load/image.ts";
import type { Item, PullJob } from "../../../../scripts/bench/load/job.ts";
import { pull } from "../../../../scripts/bench/load/pull.ts";
import { push } from "../../../../scripts/bench/load/push.ts";

const body = Buffer.alloc(300_000, "x");
const sha256 = createHash("sha256").update(body).digest("hex");
const item: Item = { path: "/v2/a/blobs/x", bytes: body.length, sha256 };
const unmarked = (): void => undefined;

async function serve(t: Test, listener: http.RequestListener): Promise<{ target: Target; server: http.Server }> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { target: { way: "plain", port: address.port }, server };
}

function answer(response: http.ServerResponse, status = 200, sent = body): void {
  response.writeHead(status, { "Content-Length": sent.length }).end(sent);
}

function job(target: Target, rest: Partial<PullJob> = {}): PullJob {
  const once = { requests: 1, clients: 1, connections: "kept" } as const;
  return { kind: "pull", target, items: [item], verify: true, ...once, ...rest };
}

t.test("clients that keep their connections ask as often as they are told, all together", async (t) => {
  const ports = new Set<number | undefined>();
  const { target } = await serve(t, (request, response) => {
    ports.add(request.socket.remotePort);
    answer(response);
  });
  const result = await pull(job(target, { requests: 20, clients: 3 }), unmarked);
  t.equal(result.requests, 20);
  t.equal(result.bytes, 20 * body.length);
  t.equal(ports.size, 3);
  t.ok(result.lag);
});

t.test("fresh connections are one for each request", async (t) => {
  const ports: (number | undefined)[] = [];
  const { target } = await serve(t, (request, response) => {
    ports.push(request.socket.remotePort);
    answer(response);
  });
  await pull(job(target, { requests: 5, connections: "fresh" }), unmarked);
  t.equal(new Set(ports).size, 5);
});

t.test("the items are asked for in turn, with their ranges", async (t) => {
  const seen: string[] = [];
  const { target } = await serve(t, (request, response) => {
    const range = request.headers.range;
    seen.push(`${request.url} ${range}`);
    answer(response, range ? 206 : 200, range ? body.subarray(0, 10) : body);
  });
  const part = createHash("sha256").update(body.subarray(0, 10)).digest("hex");
  const items: Item[] = [item, { path: "/v2/a/blobs/y", bytes: 10, sha256: part, range: [7, 16] }];
  await pull(job(target, { items, requests: 3 }), unmarked);
  t.strictSame(seen, ["/v2/a/blobs/x undefined", "/v2/a/blobs/y bytes=7-16", "/v2/a/blobs/x undefined"]);
});

t.test("an answer that is not the expected one ends the job", async (t) => {
  let sent = (response: http.ServerResponse): void => answer(response, 404);
  const { target } = await serve(t, (_request, response) => sent(response));
  await t.rejects(pull(job(target), unmarked), /answered 404/);
  sent = (response) => answer(response, 200, body.subarray(1));
  await t.rejects(pull(job(target), unmarked), /in place of 300000/);
  sent = (response) => answer(response, 200, Buffer.alloc(body.length, "y"));
  await t.rejects(pull(job(target), unmarked), /whose sha256 is/);
  sent = (response) => response.destroy();
  await t.rejects(pull(job(target), unmarked), /closed before|ECONNRESET/);
});

t.test("in a window, what came before and after it does not count", async (t) => {
  const { target } = await serve(t, (_request, response) => answer(response));
  const marks: string[] = [];
  const endless = job(target, { requests: Number.MAX_SAFE_INTEGER, clients: 2, window: [0.1, 0.3] });
  const result = await pull(endless, (mark) => marks.push(mark));
  t.strictSame(marks, ["begin", "end"]);
  t.ok(result.bytes <= (result.requests + 2) * body.length, "the requests are of the whole job, and two were cut");
});

t.test("a window that the requests do not reach the end of is an error", async (t) => {
  const { target } = await serve(t, (_request, response) => answer(response));
  await t.rejects(pull(job(target, { window: [50, 100] }), unmarked), /ended before the window/);
});

t.test("a push begins with POST, and PUTs the body where it is told to", async (t) => {
  const file = join(t.testdir(), "body");
  writeFileSync(file, body);
  const seen: string[] = [];
  const hash = createHash("sha256");
  const { target } = await serve(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.on("data", (piece: Buffer) => hash.update(piece));
    request.on("end", () => {
      const begun = request.method === "POST";
      if (begun) response.setHeader("Location", "/v2/a/blobs/uploads/1?state=s");
      answer(response, begun ? 202 : 201, Buffer.alloc(0));
    });
  });
  const bodies = [{ file, bytes: body.length, sha256 }];
  const result = await push({ kind: "push", target, repository: "a", bodies, requests: 1, clients: 1 });
  t.equal(result.bytes, body.length);
  t.strictSame(seen, ["POST /v2/a/blobs/uploads/", `PUT /v2/a/blobs/uploads/1?state=s&digest=sha256%3A${sha256}`]);
  t.equal(hash.digest("hex"), sha256);
});

t.test(
  "an image is pulled as dockerd does: tag by HEAD, manifest, config, then layers on some connections",
  async (t) => {
    const seen: string[] = [];
    const ports = new Set<number | undefined>();
    const { target } = await serve(t, (request, response) => {
      ports.add(request.socket.remotePort);
      seen.push(`${request.method} ${request.url}`);
      answer(response);
    });
    const named = (path: string): Item => ({ ...item, path });
    const layers = ["/l1", "/l2", "/l3", "/l4"].map(named);
    const image = { tag: "/tag", manifest: named("/m"), config: named("/c"), layers };
    const result = await pullImage({ kind: "image", target, image, verify: true, pulls: 2, atOnce: 3 });
    t.equal(result.requests, 2);
    t.equal(result.bytes, 2 * 6 * body.length);
    t.strictSame(seen.slice(0, 4), ["GET /v2/", "HEAD /tag", "GET /m", "GET /c"]);
    t.strictSame(seen.slice(4, 8).toSorted(), ["GET /l1", "GET /l2", "GET /l3", "GET /l4"]);
    t.equal(ports.size, 6);
  },
);

t.test("idle connections stay open until they are told otherwise, and it counts when one was lost", async (t) => {
  const { target, server } = await serve(t, (_request, response) => answer(response));
  const count = (): Promise<number> =>
    new Promise((resolve, reject) => server.getConnections((error, found) => (error ? reject(error) : resolve(found))));
  const open = { kind: "idle", target, item, atOnce: 4 } as const;
  const result = await idle({ ...open, connections: 10 });
  t.equal(result.requests, 10);
  t.equal(await count(), 10);
  const closed = new Promise<void>((resolve) => server.once("connection", (socket) => socket.once("close", resolve)));
  await idle({ ...open, connections: 1 });
  server.closeAllConnections();
  await closed;
  await pull(job(target), unmarked); // by when this has been answered, the client has seen the other's end
  await t.rejects(idle({ ...open, connections: 0 }), /1 of 1 idle connections were closed/);
});
