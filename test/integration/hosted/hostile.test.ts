import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { ociError, until } from "../stage.ts";
import { digestOf, manifestType, type RegistryClient } from "./client.ts";
import { hostedStage } from "./rig.ts";

const name = "team/app";

/** Every file below a directory, by its path from there. */
function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}

t.test(
  "content under another digest than its own: 400 DIGEST_INVALID, and nothing is stored, however it is sent",
  async (t) => {
    const { client, storage } = await hostedStage(t);
    const bytes = randomBytes(700_000);
    const wrong = digestOf(randomBytes(3));
    const location = await client.begin(name);
    const put = await client.request(`${location}?digest=${wrong}`, { method: "PUT", body: bytes });
    t.equal(put.status, 400);
    t.equal(ociError(put).code, "DIGEST_INVALID");
    const patched = await client.begin(name);
    await client.request(patched, { method: "PATCH", body: bytes });
    for (const digest of [wrong, digestOf(bytes, "sha512").replace(/.$/, (last) => (last === "0" ? "1" : "0"))]) {
      const location = await client.begin(name);
      await client.request(location, { method: "PATCH", body: bytes });
      t.equal((await client.request(`${location}?digest=${digest}`, { method: "PUT" })).status, 400);
      t.equal((await client.request(location)).status, 404, "the upload is over");
      t.equal((await client.request(`/v2/${name}/blobs/${digest}`)).status, 404);
    }
    const posted = await client.request(`/v2/${name}/blobs/uploads/?digest=${wrong}`, { method: "POST", body: bytes });
    t.equal(ociError(posted).code, "DIGEST_INVALID");
    t.same(
      filesIn(storage).filter((file) => !file.startsWith("uploads/")),
      [],
    );
    t.equal(filesIn(storage).length, 1, "but the one upload that nobody ended");
  },
);

t.test("paths that lead elsewhere make no file, in whatever part of a request they stand", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "entrepot-hosted-"));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const storage = join(root, "a", "b", "storage");
  const { client } = await hostedStage(t, {}, { storage });
  const before = filesIn(root);
  const bytes = Buffer.from("evil");
  const digest = digestOf(bytes);
  const climbs = [
    "../../../evil",
    "..%2f..%2f..%2fevil",
    "%2e%2e/%2e%2e/evil",
    "..%252f..%252fevil",
    "....//evil",
    "/etc/evil",
    "evil%00",
    "..\\evil",
  ];
  for (const climb of climbs) {
    const paths = [
      `/v2/${climb}/blobs/uploads/?digest=${digest}`,
      `/v2/x/${climb}/blobs/uploads/?digest=${digest}`,
      `/v2/x/blobs/uploads/${climb}?digest=${digest}`,
      `/v2/x/blobs/uploads/?digest=${climb}`,
      `/v2/x/blobs/${climb}`,
      `/v2/x/manifests/${climb}`,
      `/v2/x/referrers/${climb}`,
    ];
    for (const path of paths) {
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
        const sends = method !== "GET" && method !== "HEAD";
        const { status } = await client.request(path, { method, ...(sends && { body: bytes }) });
        t.ok((status >= 400 && status < 500) || status === 307, `${method} ${path}: ${status}`);
      }
    }
  }
  t.same(filesIn(root), before);
});

t.test("names by the specification's grammar, of which proxy is reserved", async (t) => {
  const { client, storage } = await hostedStage(t);
  const push = async (repository: string) =>
    await client.request(`/v2/${repository}/manifests/1`, {
      method: "PUT",
      headers: { "content-type": manifestType },
      body: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType })),
    });
  for (const bad of [
    "Team/app",
    "team//app",
    "-team/app",
    "team/app-",
    "te___am/app",
    "team/.app",
    "a".repeat(256),
    "proxy",
  ]) {
    const answer = await push(bad);
    t.ok(answer.status === 400 || answer.status === 404, `${bad}: ${answer.status}`);
    t.ok(["NAME_INVALID", "NOT_FOUND"].includes(ociError(answer).code), ociError(answer).code);
  }
  t.same(filesIn(storage), []);
  for (const good of ["a", "team/app", "a.b_c__d---e/f", "0/1/2/3/4/5", "proxyx/app", "team/proxy", "a".repeat(255)]) {
    t.equal((await push(good)).status, 201, good);
  }
});

/** Sends the head of a request and a part of its body, then cuts the connection. */
async function sendAndCut(port: number, head: string, part: Buffer, cut: () => Promise<unknown>): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(head);
  await new Promise((written) => socket.write(part, written));
  await cut();
  socket.destroy();
  await once(socket, "close");
}

async function receivedOf(client: RegistryClient, location: string): Promise<number> {
  const { headers } = await client.request(location);
  const end = Number(String(headers["range"]).replace("0-", ""));
  return end === 0 ? 0 : end + 1;
}

async function cutPatch(t: Test, chunked: boolean): Promise<void> {
  const { client, proxy, storage } = await hostedStage(t);
  const bytes = randomBytes(2_000_000);
  const location = await client.begin(name);
  const length = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes.length}`;
  const part = bytes.subarray(0, 1_234_567);
  const sent = chunked ? Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part]) : part;
  await sendAndCut(proxy.port, `PATCH ${location} HTTP/1.1\r\nHost: x\r\n${length}\r\n\r\n`, sent, async () => {
    while ((await receivedOf(client, location)) === 0) await new Promise((resolve) => setImmediate(resolve));
  });
  // Once it is claimed anew, what came before the cut has been written.
  const probe = await client.request(location, {
    method: "PATCH",
    headers: { "content-range": "9-0" },
    body: Buffer.alloc(0),
  });
  t.equal(probe.status, 416);
  const there = await receivedOf(client, location);
  t.ok(there > 0 && there <= part.length, `${there} bytes arrived`);
  t.equal(String(probe.headers["range"]), `0-${there - 1}`);
  t.equal(filesIn(join(storage)).filter((file) => file.startsWith("blobs/")).length, 0);
  const rest = await client.request(location, {
    method: "PATCH",
    headers: { "content-range": `${there}-${bytes.length - 1}` },
    body: bytes.subarray(there),
  });
  t.equal(rest.status, 202);
  const put = await client.request(`${location}?digest=${digestOf(bytes)}`, { method: "PUT" });
  t.equal(put.status, 201);
  t.ok((await client.request(`/v2/${name}/blobs/${digestOf(bytes)}`)).body.equals(bytes));
}

t.test("a chunk that is cut is continued from what arrived", (t) => cutPatch(t, false));
t.test("a stream of unknown length that is cut is continued from what arrived", (t) => cutPatch(t, true));

t.test("a push that is cut stores nothing: neither a blob nor a manifest, and the next one succeeds", async (t) => {
  const { client, proxy, storage } = await hostedStage(t);
  const bytes = randomBytes(900_000);
  const digest = digestOf(bytes);
  const location = await client.begin(name);
  const cuts = [
    [`PUT ${location}?digest=${digest}`, bytes],
    [`POST /v2/${name}/blobs/uploads/?digest=${digest}`, bytes],
    [`PUT /v2/${name}/manifests/1`, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType }))],
  ] as const;
  for (const [line, body] of cuts) {
    const head = `${line} HTTP/1.1\r\nHost: x\r\nContent-Type: ${manifestType}\r\nContent-Length: ${body.length}\r\n\r\n`;
    const lines = proxy.logLines.length;
    await sendAndCut(proxy.port, head, body.subarray(0, body.length - 1), () => Promise.resolve());
    await until(() => proxy.logLines.slice(lines).some(({ error }) => error !== undefined));
  }
  t.equal((await client.request(`/v2/${name}/blobs/${digest}`)).status, 404);
  t.equal((await client.request(`/v2/${name}/manifests/1`)).status, 404);
  t.same(
    filesIn(storage).filter((file) => !file.startsWith("uploads/")),
    [],
  );
  await client.pushBlob(name, bytes);
  t.ok((await client.request(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
});

t.test("a newer request for an upload takes it from one that is stuck", async (t) => {
  const { client, proxy } = await hostedStage(t);
  const bytes = randomBytes(600_000);
  const location = await client.begin(name);
  const stuck = connect(proxy.port, "127.0.0.1");
  stuck.on("error", () => undefined);
  t.teardown(() => stuck.destroy());
  stuck.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  stuck.write(bytes.subarray(0, 100_000));
  await until(() => stuck.bytesWritten > 100_000);
  const cancelled = await client.request(location, { method: "DELETE" });
  t.equal(cancelled.status, 204);
  t.equal((await client.request(location)).status, 404);
});
