import { Readable } from "node:stream";
import t from "tap";
import { readShort } from "../../../src/core/short-body.ts";

const of = (limit: number) => ({ limit, tooLong: () => new Error("too long"), cut: () => new Error("cut") });

t.test("all of it, up to the limit", async (t) => {
  t.equal((await readShort(Readable.from([Buffer.from("ab"), Buffer.from("c")]), of(3))).toString(), "abc");
  t.equal((await readShort(Readable.from([]), of(0))).length, 0);
});

t.test("one byte more is refused, and the body is left to whoever has it", async (t) => {
  const body = new Readable({ read: () => undefined });
  body.push(Buffer.from("abcd"));
  await t.rejects(readShort(body, of(3)), { message: "too long" });
  t.ok(body.isPaused());
  t.notOk(body.destroyed);
});

t.test("a body that fails or ends early is no body", async (t) => {
  const failing = new Readable({ read: () => undefined });
  const failed = t.rejects(readShort(failing, of(3)), { message: "reset" });
  failing.destroy(new Error("reset"));
  await failed;
  const leaving = new Readable({ read: () => undefined });
  const left = t.rejects(readShort(leaving, of(3)), { message: "cut" });
  leaving.push(Buffer.from("a"));
  leaving.destroy();
  await left;
});
