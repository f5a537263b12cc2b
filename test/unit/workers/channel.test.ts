import { deserialize, serialize } from "node:v8";
import t from "tap";
import { EntrepotError } from "../../../src/core/errors.ts";
import { LookAgain } from "../../../src/serve/look-again.ts";
import { Refusal } from "../../../src/serve/refusal.ts";
import { Channel } from "../../../src/workers/channel.ts";
import { pack, unpack } from "../../../src/workers/parcel.ts";

interface Methods {
  readonly [name: string]: (...given: never[]) => unknown;
  double(value: number): Promise<number>;
  fail(error: Error): void;
  note(text: string): void;
}

/** As a message is on its way between processes. */
const sent = (value: unknown): unknown => deserialize(serialize(value));

function pair(methods: Methods) {
  const waiting: unknown[] = [];
  const asker: Channel<Methods, Methods> = new Channel((message) => asked.receive(sent(message)), methods);
  const asked: Channel<Methods, Methods> = new Channel((message) => void waiting.push(sent(message)), methods);
  const deliver = (): void => {
    for (const message of waiting.splice(0)) asker.receive(message);
  };
  return { asker, asked, deliver };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test("an answer is seen before any later message, whatever came in one piece", async (t) => {
  const seen: string[] = [];
  const { asker, asked, deliver } = pair({
    double: async (value) => value * 2,
    fail: () => undefined,
    note: (text) => void seen.push(text),
  });
  const answer = asker.ask("double", [21], (value) => seen.push(`answer ${value}`));
  await turn();
  asked.tell("note", "later");
  deliver();
  t.same(seen, ["answer 42", "later"]);
  t.equal(await answer, 42);
});

t.test("an error is the same one on the other side, and a gone end fails all that waits", async (t) => {
  const { asker, deliver } = pair({
    double: () => new Promise(() => undefined),
    fail: (error) => {
      throw error;
    },
    note: () => undefined,
  });
  const error = new EntrepotError("CACHE_IO", "The disk is full.", { status: 507, detail: { bytes: 1 } });
  const failing = asker.ask("fail", [error]);
  await turn();
  deliver();
  await t.rejects(failing, { name: "EntrepotError", code: "CACHE_IO", status: 507, detail: { bytes: 1 } });
  const never = asker.ask("double", [1]);
  asker.close(new EntrepotError("STOPPING", "Gone."));
  await t.rejects(never, { code: "STOPPING" });
  await t.rejects(asker.ask("double", [1]), { code: "STOPPING" });
});

t.test("what waits for an upstream's word gets it whole in another process", (t) => {
  const refusal = new Refusal({ status: 403, headers: { "content-type": "text/plain" } }, Buffer.from("no"), "secret");
  const parcel = { error: refusal, list: [new LookAgain()], bytes: Buffer.from("x"), nothing: undefined };
  const { error, list, bytes } = unpack(sent(pack(parcel))) as typeof parcel;
  t.ok(error instanceof Refusal);
  t.match(error, { status: 403, headers: { "content-type": "text/plain" }, identity: "secret" });
  t.equal(Buffer.from(error.body).toString(), "no");
  t.ok(list[0] instanceof LookAgain);
  t.equal(Buffer.from(bytes).toString(), "x");
  const unforeseen = unpack(sent(pack(new TypeError("with a path in it")))) as EntrepotError;
  t.match(unforeseen, { code: "INTERNAL" });
  t.notMatch(unforeseen.message, "path");
  t.end();
});
