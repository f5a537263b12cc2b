import { readdirSync } from "node:fs";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import t from "tap";
import { bufferUpload } from "../../../src/cache/upload-buffer.ts";

const never = new AbortController().signal;

t.test("an upload is kept on disk until it is discarded", async (t) => {
  const directory = t.testdir();
  const body = Buffer.alloc(3_000_000, "upload ");
  const upload = await bufferUpload(directory, Readable.from([body.subarray(0, 17), body.subarray(17)]), never);
  t.equal(upload.size, body.length);
  t.ok(body.equals(await buffer(upload.stream())), "the same bytes come back");
  t.equal(readdirSync(directory).length, 1);
  await upload.discard();
  t.same(readdirSync(directory), [], "nothing is left");
});

t.test("a client that goes away leaves nothing on disk", async (t) => {
  const directory = t.testdir();
  const gone = new AbortController();
  const body = new Readable({ read: () => undefined });
  const pending = bufferUpload(directory, body, gone.signal);
  body.push("some bytes");
  gone.abort();
  await t.rejects(pending, { code: "CANCELLED" });
  t.same(readdirSync(directory), []);
});

t.test("a disk that does not take it is said so", async (t) => {
  const directory = t.testdir({ file: "in the way" });
  await t.rejects(bufferUpload(`${directory}/file`, Readable.from(["x"]), never), {
    code: "CACHE_IO",
    status: 507,
    message: /PROXY_REQUEST_BUFFERING/,
  });
});
