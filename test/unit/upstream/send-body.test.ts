import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request, type ClientRequest } from "node:http";
import { PassThrough, Readable } from "node:stream";
import t, { type Test } from "tap";
import { sendBody } from "../../../src/upstream/send-body.ts";
import { serveHttp } from "./tls-server.ts";

/** A server that answers with the sha256 of what it is sent, and a way to send it that. */
async function hasher(t: Test): Promise<(body: Readable, spend: boolean, slow?: boolean) => Promise<string>> {
  const server = await serveHttp(t, (message, response) => {
    const hash = createHash("sha256");
    message.on("data", (piece: Buffer) => {
      hash.update(piece);
      if (message.headers["x-slow"] === undefined) return;
      message.pause();
      setTimeout(() => message.resume(), 2);
    });
    message.on("end", () => response.end(hash.digest("hex")));
  });
  return async (body, spend, slow = false) => {
    const sent = begin(server.port, slow ? { "x-slow": "1" } : {});
    sendBody(sent, { body, spend, fail: (error) => sent.destroy(error) });
    const [answer] = (await once(sent, "response")) as [Readable];
    return Buffer.concat((await answer.toArray()) as Buffer[]).toString();
  };
}

function begin(port: number, headers: Record<string, string>): ClientRequest {
  return request({ port, host: "127.0.0.1", method: "PUT", agent: false, headers });
}

function sha256(...pieces: readonly Buffer[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** Sizes around those at which pieces are gathered and written. */
const sizes = [1000, 16_384, 65_536, 262_143, 262_144, 262_145, 1_000_000];

t.test("a body arrives as it was, in pieces of any size, at any pace", async (t) => {
  const send = await hasher(t);
  for (const size of sizes) {
    const bytes = randomBytes(3_000_000);
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    t.equal(await send(Readable.from(pieces), false), sha256(bytes), `at once, by ${size}`);
    t.equal(await send(Readable.from(pieces), false, true), sha256(bytes), `to a slow reader, by ${size}`);
  }
  t.equal(await send(Readable.from([]), false), sha256(), "nothing");
});

t.test("memory is given back where that was said, and only there", async (t) => {
  const send = await hasher(t);
  for (const spend of [true, false]) {
    const pieces = Array.from({ length: 40 }, () => randomBytes(16_384));
    const expected = sha256(...pieces);
    const body = new PassThrough({ readableHighWaterMark: 10_000_000 });
    for (const piece of pieces) body.write(piece);
    body.end();
    t.equal(await send(body, spend), expected);
    const left = pieces.reduce((total, piece) => total + piece.length, 0);
    t.equal(left, spend ? 0 : 40 * 16_384);
  }
});

t.test("who lets go of a body gets no more of it, and it stands still", async (t) => {
  const server = await serveHttp(t, (message) => void message.resume());
  const sent = begin(server.port, {});
  sent.on("error", () => {});
  const body = new PassThrough();
  const letGo = sendBody(sent, { body, spend: false, fail: () => t.fail("nothing failed") });
  body.write("some");
  await once(sent, "socket");
  letGo();
  body.write("more");
  t.equal(body.isPaused(), true);
  t.equal(body.listenerCount("data") + body.listenerCount("end"), 0);
  sent.destroy();
});
