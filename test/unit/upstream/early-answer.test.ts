import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import { makeOrigin } from "../../../src/core/origin.ts";
import { createDialer } from "../../../src/upstream/dialer.ts";
import { createSend } from "../../../src/upstream/send.ts";
import { dialerOptions } from "./tls-server.ts";

const piece = Buffer.alloc(300_000, "x");

/** Sends a body to a server that answers its first piece and resets the connection; the next piece is written between the reset and the look for an answer. */
async function upload(t: Test, answer: string) {
  const resets = new Int32Array(new SharedArrayBuffer(4));
  const server = new Worker(new URL("resetting-server.ts", import.meta.url), { workerData: { resets, answer } });
  t.teardown(async () => void (await server.terminate()));
  const [{ port }] = (await once(server, "message")) as [AddressInfo];
  const dialer = createDialer(dialerOptions());
  t.teardown(() => dialer.close());
  const body = new Readable({ read: () => undefined });
  const sent = createSend(dialer, { readMs: 5000, sendMs: 5000 })({
    origin: makeOrigin("http", "registry.test", port),
    method: "PATCH",
    path: "/",
    headers: {},
    authorization: undefined,
    body,
    signal: t.context.signal as AbortSignal,
  });
  const outcome = sent.then(
    async ({ message }) => [message.statusCode, Buffer.concat((await message.toArray()) as Buffer[]).toString()],
    (error: unknown) => error,
  );
  body.push(piece);
  await once(server, "message");
  server.postMessage("answer");
  // This thread stands still until it has been reset.
  Atomics.wait(resets, 0, 0, 10_000);
  body.push(piece);
  const result = await outcome;
  body.destroy();
  return result;
}

t.beforeEach((t) => {
  const end = new AbortController();
  t.context.signal = end.signal;
  t.teardown(() => end.abort());
});

t.test("what a registry answered before it reset the connection of an upload is its answer", async (t) => {
  const answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\nConnection: close\r\n\r\ndenied";
  t.same(await upload(t, answer), [401, "denied"]);
});

t.test("a reset without a whole answer is a failure", async (t) => {
  t.match(await upload(t, "HTTP/1.1 401 Unauth"), { code: "UPSTREAM_PROTOCOL" });
});
