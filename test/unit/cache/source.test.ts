import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import t from "tap";
import { Source } from "../../../src/cache/source.ts";
import type { Pourable } from "../../../src/core/pourable.ts";

/** Hands out views of one buffer, and spoils it after each. */
class OneBuffer extends Readable implements Pourable {
  #into: ((bytes: Buffer) => void) | undefined;
  readonly #buffer = Buffer.alloc(1000);

  pour(into: (bytes: Buffer) => void): void {
    this.#into = into;
  }

  override _read(): void {
    // Poured from outside.
  }

  bring(bytes: Buffer): void {
    bytes.copy(this.#buffer);
    this.#into?.(this.#buffer.subarray(0, bytes.length));
    this.#buffer.fill(0);
  }
}

function sourceOf(body: OneBuffer) {
  const told: string[] = [];
  const source = new Source(
    body,
    (error) => told.push(error.message),
    () => told.push("ended"),
  );
  const got: Buffer[] = [];
  source.start((bytes) => got.push(Buffer.from(bytes)));
  return { source, told, got };
}

t.test("a body that can be poured is, and ends as any does", async (t) => {
  const body = new OneBuffer();
  const { source, told, got } = sourceOf(body);
  const pieces = [1000, 1, 999, 500].map((length) => randomBytes(length));
  for (const piece of pieces) {
    body.bring(piece);
    source.pause();
    source.resume();
  }
  t.ok(Buffer.concat(got).equals(Buffer.concat(pieces)));
  t.equal(body.listenerCount("data"), 0);
  body.push(null);
  await new Promise((resolve) => body.once("close", resolve));
  t.same(told, ["ended"]);
});

t.test("after its break, and after destroy, a poured body says nothing more", async (t) => {
  const body = new OneBuffer();
  const { told, got } = sourceOf(body);
  body.bring(Buffer.from("1"));
  body.destroy(new Error("cut"));
  await new Promise((resolve) => body.once("close", resolve));
  body.bring(Buffer.from("2"));
  t.same(String(Buffer.concat(got)), "1");
  t.same(told, ["The upstream broke the connection midway."]);
  const other = new OneBuffer();
  const left = sourceOf(other);
  left.source.destroy();
  other.bring(Buffer.from("3"));
  t.same(left.got, []);
});
