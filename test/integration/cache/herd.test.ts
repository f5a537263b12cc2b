import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import t, { type Test } from "tap";
import { gate } from "../../fixtures/gate.ts";
import type { ProxyClient } from "../../fixtures/proxy-client.ts";
import { type Content, syntheticBlob } from "../../fixtures/synthetic-blob.ts";
import { uniqueBytes } from "../../fixtures/registry.ts";
import { clientOf, MovableClock, stage, until } from "../stage.ts";
import { randomOf } from "../../fixtures/random.ts";

t.setTimeout(120_000);

const mebibyte = 1024 * 1024;
const piece = 256 * 1024;
const path = ({ digest }: Content): string => `/v2/library/app/blobs/${digest}`;

/** The same content from an upstream that sends a piece every few milliseconds. */
function slow(content: Content): Content {
  return {
    digest: content.digest,
    size: content.size,
    read: (position, length) => content.read(position, length),
    stream(position = 0) {
      async function* pieces(): AsyncGenerator<Buffer> {
        for (let at = position; at < content.size; at += piece) {
          yield content.read(at, piece);
          await new Promise((resolve) => setTimeout(resolve, 4));
        }
      }
      return Readable.from(pieces(), { objectMode: false });
    },
  };
}

const seed = process.env["HERD_SEED"] ?? String(Date.now());

function seeded(t: Test): () => number {
  t.comment(`HERD_SEED=${seed}`);
  return randomOf(`${seed}/${t.name}`);
}

function hashOf(content: Content, first: number, last: number): string {
  const hash = createHash("sha256");
  for (let at = first; at <= last; at += piece) hash.update(content.read(at, Math.min(piece, last + 1 - at)));
  return `sha256:${hash.digest("hex")}`;
}

t.test("64 clients over the whole of a download, of all kinds: one transfer, no byte twice", async (t) => {
  const { registry, proxy } = await stage(t);
  const content = syntheticBlob("herd of 64", 12 * mebibyte);
  const blob = registry.blob("library/app", slow(content));
  const random = seeded(t);
  const { size } = content;
  const all = { kind: "blob" as const, method: "GET" };

  const ranged = async (client: ProxyClient, first: number, last: number | undefined): Promise<void> => {
    const headers = { range: `bytes=${first}-${last ?? ""}` };
    const { status, digest } = await client.hash(path(blob), { headers });
    t.equal(status, 206);
    t.equal(digest, hashOf(content, first, last ?? size - 1), headers.range);
  };
  const leaving = async (client: ProxyClient): Promise<void> => {
    const response = await client.open(path(blob));
    response.on("error", () => undefined);
    await new Promise((resolve) => response.once("data", resolve));
    response.destroy();
  };
  const others: Promise<void>[] = [];
  // It takes one piece, and the rest only when everybody else is done.
  const slowly = async (client: ProxyClient): Promise<void> => {
    const response = await client.open(path(blob));
    const hash = createHash("sha256");
    let done: Promise<unknown> | undefined;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      hash.update(chunk);
      await (done ??= Promise.all(others));
    }
    t.equal(`sha256:${hash.digest("hex")}`, content.digest, "the slow one");
  };
  const whole = async (client: ProxyClient): Promise<void> => {
    const { digest, status } = await client.hash(path(blob));
    t.match({ digest, status }, { digest: content.digest, status: 200 });
  };

  let last: Promise<void> | undefined;
  for (let index = 0; index < 64; index += 1) {
    await until(() => registry.bytesSent(all) >= (size * 0.9 * index) / 64);
    const client = clientOf(t, proxy);
    const first = Math.floor(random() * size);
    if (index === 0) last = slowly(client);
    else if (index % 4 === 0) others.push(leaving(client));
    else if (index % 4 === 1) others.push(ranged(client, first, undefined));
    else if (index % 4 === 2) others.push(ranged(client, first, Math.min(size - 1, first + 300_000)));
    else others.push(whole(client));
  }
  await Promise.all(others);
  await last;
  t.equal(registry.count(all), 1);
  t.equal(registry.bytesSent(all), size);
});

t.test(
  "each client's head comes with the registry's own, whoever is behind and whatever of the body is there",
  async (t) => {
    const { registry, proxy } = await stage(t);
    const blob = registry.blob("library/app", uniqueBytes(1_000_000));
    const [head, body] = [gate(), gate()];
    registry.fault({ reference: blob.digest }, { holdUntil: head, stall: { after: 0, until: body } });
    let answered = 0;
    const open = async (headers: Record<string, string> = {}) => {
      const response = await clientOf(t, proxy).open(path(blob), { headers });
      answered += 1;
      return response;
    };
    const early = [open(), open({ range: "bytes=500000-" }), open({ range: "bytes=10-19" })];
    await registry.seen({ reference: blob.digest });
    t.equal(answered, 0);
    head.open();
    const late = [open(), open({ range: "bytes=999999-" })];
    const responses = await Promise.all([...early, ...late]);
    t.same(
      responses.map(({ statusCode, headers }) => [statusCode, headers["content-length"]]),
      [
        [200, "1000000"],
        [206, "500000"],
        [206, "10"],
        [200, "1000000"],
        [206, "1"],
      ],
      "while not a byte of the body has come",
    );
    body.open();
    for (const response of responses) await finished(response.resume());
    t.equal(registry.count({ reference: blob.digest, method: "GET" }), 1);
  },
);

t.test("an upstream that is cut ten times is gone on with each time from the byte it had", async (t) => {
  const { registry, proxy } = await stage(t);
  const content = syntheticBlob("ten cuts", 8 * mebibyte);
  const blob = registry.blob("library/app", content);
  const random = seeded(t);
  for (let cut = 0; cut < 10; cut += 1) {
    const after = 70_000 + Math.floor(random() * 600_000);
    registry.fault(
      {
        kind: "blob",
        where: (request) => registry.requests.filter(({ kind }) => kind === "blob").indexOf(request) === cut,
      },
      { cut: { after, how: "fin" } },
    );
  }
  const pulled = await Promise.all([1, 2, 3].map(() => clientOf(t, proxy).hash(path(blob))));
  for (const { digest, status } of pulled) t.match({ digest, status }, { digest: content.digest, status: 200 });
  t.equal(registry.count({ kind: "blob", method: "GET" }), 11);
  t.equal(registry.bytesSent({ kind: "blob" }), content.size, "no byte twice");
});

t.test("one that ignores the range, or has another version, is begun anew; followers notice nothing", async (t) => {
  const { registry, proxy } = await stage(t);
  for (const fault of [{ ignoreRange: true }, { headers: { etag: '"another"' } }]) {
    const content = registry.blob("library/app", uniqueBytes(3_000_000));
    const nth = (index: number) => ({
      reference: content.digest,
      where: (request: object) =>
        registry.requests
          .filter(({ reference }) => reference === content.digest)
          .findIndex((one) => one === request) === index,
    });
    registry.fault(nth(0), { cut: { after: 1_000_000, how: "fin" } });
    registry.fault(nth(1), fault);
    const { digest, status } = await clientOf(t, proxy).hash(path(content));
    t.match({ digest, status }, { digest: content.digest, status: 200 });
  }
});

t.test("what comes out wrong is not fetched a thousand times a second", async (t) => {
  const clock = new MovableClock();
  const { registry, client } = await stage(t, { clock });
  const blob = registry.blob("library/app", uniqueBytes(2_000_000));
  registry.fault({ reference: blob.digest }, { corruptAt: 1000 });
  for (let count = 0; count < 50; count += 1) {
    const wrong = await client.request(path(blob)).catch(() => undefined);
    if (wrong?.status === 200 && wrong.complete) t.fail("It was served.");
  }
  t.equal(registry.count({ reference: blob.digest, method: "GET" }), 2);
  registry.clearFaults();
  clock.time += 1000;
  t.match(await client.hash(path(blob)), { status: 200, digest: blob.digest });
});
