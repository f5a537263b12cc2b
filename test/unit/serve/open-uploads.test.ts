import t from "tap";
import { digestOf } from "../../../src/core/digest.ts";
import { makeOrigin } from "../../../src/core/origin.ts";
import { OpenUploads, uploadKey } from "../../../src/serve/open-uploads.ts";
import { UploadState } from "../../../src/serve/upload-state.ts";
import { MemoryStore } from "../../fixtures/memory-store.ts";

const origin = makeOrigin("https", "reg.test");
const bytes = Buffer.from("some bytes of a blob");

async function begun(store: MemoryStore): Promise<UploadState> {
  const state = new UploadState(store, "app");
  await state.take(bytes);
  return state;
}

t.test("an upload goes on where its Location said, however its client spells the query", async (t) => {
  const key = uploadKey(origin, "/v2/app/blobs/uploads/1?_state=a%2Bb&n=2");
  t.equal(uploadKey(origin, "/v2/app/blobs/uploads/1?n=2&digest=sha256%3Aabc&_state=a%2Bb"), key);
  t.equal(uploadKey(origin, "https://reg.test/v2/app/blobs/uploads/1?_state=a%2Bb&n=2"), key);
  t.not(uploadKey(origin, "/v2/app/blobs/uploads/1?_state=c&n=2"), key);
  t.not(uploadKey(makeOrigin("https", "other.test"), "/v2/app/blobs/uploads/1?_state=a%2Bb&n=2"), key);
  t.equal(uploadKey(origin, "https://storage.test/1"), undefined);
});

t.test("the table is bounded, and what leaves it leaves no spool", async (t) => {
  const store = new MemoryStore();
  const table = new OpenUploads();
  for (let index = 0; index < 300; index += 1) table.put(`${index}`, await begun(store));
  t.equal(store.open, 100);
  t.equal(table.take("0"), undefined);
  t.ok(table.take("299"));
  t.equal(table.take("299"), undefined, "taken once");
});

t.test("an upload that nobody goes on with is dropped", async (t) => {
  const store = new MemoryStore();
  const table = new OpenUploads({ patience: 1 });
  table.put("x", await begun(store));
  while (store.open > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  t.equal(table.take("x"), undefined);
});

t.test("only the digest's own bytes are adopted", async (t) => {
  const store = new MemoryStore();
  t.equal(await (await begun(store)).adopt(digestOf(Buffer.from("others"))), false);
  t.equal(
    await (await begun(store)).adopt(digestOf(bytes, "sha512")),
    false,
    "another algorithm than was reckoned with",
  );
  t.equal(store.content.size, 0);
  t.equal(await (await begun(store)).adopt(digestOf(bytes)), true);
  const named = new UploadState(store, "app");
  named.expect(digestOf(bytes, "sha512"));
  await named.take(bytes);
  t.equal(await named.adopt(digestOf(bytes, "sha512")), true);
  t.same([...store.content.keys()], [digestOf(bytes), digestOf(bytes, "sha512")]);
  t.equal(store.open, 0);
});

t.test("a full disk loses the copy, and throws nothing", async (t) => {
  const store = new MemoryStore();
  const state = await begun(store);
  store.full = true;
  await state.take(bytes);
  store.full = false;
  await state.take(bytes);
  t.equal(await state.adopt(digestOf(Buffer.concat([bytes, bytes, bytes]))), false);
  t.equal(store.open, 0);
});
