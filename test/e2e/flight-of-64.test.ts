import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import t, { type Test } from "tap";
import { ProxyClient } from "../fixtures/proxy-client.ts";
import { type Content, syntheticBlob } from "../fixtures/synthetic-blob.ts";
import { randomOf } from "../fixtures/random.ts";
import { blobRequests } from "./daemons/access-log.ts";
import { startSlowLink } from "./daemons/slow-link.ts";
import { skipWithout } from "./machine/programs.ts";
import { setStage } from "./stage.ts";

t.setTimeout(580_000);
const skip = skipWithout("docker-registry", "skopeo", "htpasswd", "openssl");
const mebibyte = 1024 * 1024;
/** FLIGHT_BYTES=134217728 for a quick look. */
const size = Number(process.env["FLIGHT_BYTES"] ?? 1024 * mebibyte);
/** Bytes a second, of each connection to the registry. */
const rate = 64 * mebibyte;
const clients = 64;
const seed = process.env["FLIGHT_SEED"] ?? String(Date.now());

/** What a stretch of a content hashes to. */
function hashOf(content: Content, first: number, end: number): string {
  const hash = createHash("sha256");
  for (let at = first; at < end; at += mebibyte) hash.update(content.read(at, Math.min(mebibyte, end - at)));
  return `sha256:${hash.digest("hex")}`;
}

t.test(
  "64 clients on one cold blob of 1 GiB behind a slow registry: one transfer, no byte twice",
  { skip },
  async (t: Test) => {
    t.comment(`FLIGHT_SEED=${seed}`);
    const random = randomOf(seed);
    const { hub, proxy, place } = await setStage(t);
    const blob = syntheticBlob(`a flight of ${clients}`, size);
    await hub.pushBlob("library/big", blob);
    const port = await startSlowLink(place, hub.port, rate);
    await proxy.restart({ HOST_MAP: `${hub.host}:443=127.0.0.1:${port}` });
    const caPem = readFileSync(proxy.root, "utf8");
    const path = `/v2/library/big/blobs/${blob.digest}`;
    const host = "registry-1.docker.io";
    const opened: ProxyClient[] = [];
    const client = (): ProxyClient => {
      const made = new ProxyClient({ proxyPort: proxy.port, caPem, host });
      opened.push(made);
      return made;
    };
    const small = syntheticBlob("before the flight", mebibyte);
    await hub.pushBlob("library/big", small);
    t.equal((await client().hash(`/v2/library/big/blobs/${small.digest}`)).digest, small.digest);
    const before = proxy.peakMemoryOfAll();

    /** Bytes that the first client, who wants all of it, has by now; the others come as that grows. */
    const first = { bytes: 0, grown: Promise.withResolvers<void>() };
    const reached = async (bytes: number): Promise<void> => {
      for (;;) {
        if (first.bytes >= bytes) return;
        await first.grown.promise;
      }
    };
    const whole = async (count: boolean): Promise<void> => {
      const response = await client().open(path);
      const hash = createHash("sha256");
      for await (const chunk of response as AsyncIterable<Buffer>) {
        hash.update(chunk);
        if (!count) continue;
        first.bytes += chunk.length;
        first.grown.resolve();
        first.grown = Promise.withResolvers();
      }
      t.equal(`sha256:${hash.digest("hex")}`, blob.digest, "the whole");
    };
    const ranged = async (from: number, end: number, open: boolean): Promise<void> => {
      const range = `bytes=${from}-${open ? "" : end - 1}`;
      const { status, digest, size: got } = await client().hash(path, { headers: { range } });
      t.same([status, got, digest], [206, end - from, hashOf(blob, from, end)], range);
    };
    const leaving = async (): Promise<void> => {
      const response = await client().open(path);
      response.on("error", () => undefined);
      await new Promise((resolve) => response.once("data", resolve));
      response.destroy();
    };
    const others: Promise<void>[] = [];
    /** 10 KiB a second, until all the others are done. */
    const slowly = async (): Promise<void> => {
      const response = await client().open(path);
      const pieces: Buffer[] = [];
      const over = Promise.all(others).then(() => "over" as const);
      for (;;) {
        const piece: unknown = response.read(10 * 1024) ?? response.read();
        if (Buffer.isBuffer(piece)) pieces.push(piece);
        const pause = new Promise((resolve) => setTimeout(resolve, 1000));
        if ((await Promise.race([over, pause])) === "over") break;
      }
      const got = Buffer.concat(pieces);
      t.ok(got.length > 0 && got.equals(blob.read(0, got.length)), `the slow one has ${got.length} right bytes`);
      response.destroy();
    };

    const seen = await hub.during(async () => {
      others.push(whole(true));
      for (let index = 1; index < clients - 1; index += 1) {
        await reached((size * 0.95 * index) / clients);
        const beyond = Math.floor(size * (0.9 + random() * 0.1));
        const anywhere = Math.floor(random() * (size - 4 * mebibyte));
        if (index === 1 || index === 20 || index === 40) others.push(whole(false));
        else if (index % 3 === 0) others.push(leaving());
        else if (index % 3 === 1) others.push(ranged(beyond, size, true));
        else others.push(ranged(anywhere, anywhere + 1 + Math.floor(random() * 4 * mebibyte), false));
      }
      await slowly();
    });
    for (const each of opened) each.close();
    const requests = blobRequests(seen).filter((line) => line.path.includes(blob.digest) && line.method === "GET");
    t.match(requests, [{ status: 200, bytes: size }], "one transfer, of each byte once");
    t.equal(requests.length, 1);
    const grown = proxy.peakMemoryOfAll() - before;
    t.comment(
      `peak memory ${Math.round(proxy.peakMemoryOfAll() / mebibyte)} MiB, ${Math.round(grown / mebibyte)} more than before`,
    );
    t.ok(grown < 320 * mebibyte, "and memory stays flat");
  },
);
