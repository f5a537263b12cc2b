import { randomBytes } from "node:crypto";
import type { Test } from "tap";
import type { Store, Stored } from "../../../src/cache/types.ts";
import { digestOf } from "../../../src/core/digest.ts";
import { pullAll, pullOnce, turns } from "./pull.ts";

/** What every store has to do. `make` gives an empty one. */
export function storeConformance(t: Test, make: (t: Test) => Promise<Store>): void {
  const list = async (store: Store): Promise<Stored[]> => Array.fromAsync(store.list(new AbortController().signal));

  for (const size of [0, 1, 65_536, 65_537, 700_000]) {
    t.test(`a spool of ${size} bytes becomes content`, async (t) => {
      const store = await make(t);
      const bytes = randomBytes(size);
      const digest = digestOf(bytes);
      const spool = await store.createSpool(digest);
      const middle = Math.floor(size / 3);
      await spool.append([bytes.subarray(0, middle)]);
      t.equal(await store.find(digest), undefined, "not before it is adopted");
      await spool.append([bytes.subarray(middle, middle * 2), bytes.subarray(middle * 2)]);
      await spool.adopt();
      spool.close();
      const body = await store.find(digest);
      t.ok(body);
      if (body === undefined) return;
      t.equal(body.size, size);
      t.ok(bytes.equals(await pullAll(body)));
      t.ok(bytes.subarray(middle).equals(await pullAll(body, middle, 777_777)));
      t.equal((await pullOnce(body, size, 10)).length, 0, "nothing at the end");
      body.close();
      body.close();
      await t.rejects(pullOnce(body, 0, 1), { code: "CANCELLED" });
      t.match(await store.stat(digest), { digest, size });
      t.match(await list(store), [{ digest, size }]);
    });
  }

  t.test("a spool of bytes that get their name only in the end becomes content", async (t) => {
    const store = await make(t);
    const bytes = randomBytes(70_000);
    const spool = await store.createSpool();
    await spool.append([bytes]);
    await spool.adopt(digestOf(bytes));
    spool.close();
    t.match(await store.stat(digestOf(bytes)), { size: bytes.length });
    const nameless = await store.createSpool();
    await t.rejects(nameless.adopt(), { code: "CACHE_IO" });
    nameless.close();
  });

  t.test("a spool can be read while it is written, and after it was adopted", async (t) => {
    const store = await make(t);
    const bytes = randomBytes(1000);
    const spool = await store.createSpool(digestOf(bytes));
    const read = (position: number, length: number): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        const buffer = Buffer.alloc(length);
        spool.read(buffer, position, (error, count) => {
          if (error === null) resolve(buffer.subarray(0, count));
          else reject(error);
        });
      });
    await spool.append([bytes.subarray(0, 600)]);
    t.ok(bytes.subarray(100, 600).equals(await read(100, 1000)));
    await spool.append([bytes.subarray(600)]);
    await spool.adopt();
    await store.remove(digestOf(bytes));
    t.ok(bytes.equals(await read(0, 1000)));
    spool.close();
    await t.rejects(read(0, 1), { code: "CACHE_IO" });
  });

  t.test("a spool that is discarded or closed leaves nothing", async (t) => {
    const store = await make(t);
    const bytes = randomBytes(100);
    for (const end of ["discard", "close"] as const) {
      const spool = await store.createSpool(digestOf(bytes));
      await spool.append([bytes]);
      await spool[end]();
      spool.close();
      t.equal(await store.find(digestOf(bytes)), undefined);
    }
    t.same(await list(store), []);
  });

  t.test("two spools of one digest do not disturb each other", async (t) => {
    const store = await make(t);
    const bytes = randomBytes(100);
    const one = await store.createSpool(digestOf(bytes));
    const other = await store.createSpool(digestOf(bytes));
    await Promise.all([one.append([bytes]), other.append([randomBytes(5)])]);
    await Promise.all([one.adopt(), other.discard()]);
    one.close();
    other.close();
    const body = await store.find(digestOf(bytes));
    t.ok(body && bytes.equals(await pullAll(body)));
    body?.close();
  });

  for (const algorithm of ["sha256", "sha512"] as const) {
    t.test(`put keeps small content under its ${algorithm}, and nothing under another's`, async (t) => {
      const store = await make(t);
      const bytes = Buffer.from('{"schemaVersion":2}');
      const digest = digestOf(bytes, algorithm);
      await store.put(digest, bytes);
      await store.put(digest, bytes);
      const body = await store.find(digest);
      t.equal(body && (await pullAll(body)).toString(), '{"schemaVersion":2}');
      body?.close();
      const wrong = digestOf(Buffer.from("x"), algorithm);
      await t.rejects(store.put(wrong, bytes), { code: "UPSTREAM_WRONG_DIGEST" });
      t.equal(await store.find(wrong), undefined);
      t.match(await list(store), [{ digest, size: bytes.length }]);
    });
  }

  t.test("what is removed is gone, and stays readable by who has it open", async (t) => {
    const store = await make(t);
    const bytes = randomBytes(200_000);
    const digest = digestOf(bytes);
    await store.put(digest, bytes);
    const body = await store.find(digest);
    await store.remove(digest);
    await store.remove(digest);
    t.equal(await store.find(digest), undefined);
    t.equal(await store.stat(digest), undefined);
    t.ok(body && bytes.equals(await pullAll(body)));
    body?.close();
  });

  t.test("content of another size than it has to have is dropped", async (t) => {
    const store = await make(t);
    const bytes = randomBytes(200_000);
    const digest = digestOf(bytes);
    const spool = await store.createSpool(digest);
    await spool.append([bytes]);
    await spool.adopt();
    spool.close();
    const whole = await store.find(digest, 200_000);
    t.ok(whole);
    whole?.close();
    t.equal(await store.find(digest, 200_001), undefined);
    while ((await store.stat(digest)) !== undefined) await turns(1);
    t.equal(await store.find(digest), undefined);
  });

  t.test("a pull under way is called back when its body is closed", async (t) => {
    const store = await make(t);
    const bytes = randomBytes(2_000_000);
    await store.put(digestOf(bytes), bytes);
    const body = await store.find(digestOf(bytes));
    if (body === undefined) throw new Error("Not found.");
    let calls = 0;
    body.pull(0, 1000, (_error, _pieces, release) => {
      calls += 1;
      release();
    });
    body.close();
    t.equal(calls, 1);
  });
}
